"""How the model is to generate: Google's words for what the model server takes."""

from __future__ import annotations

from typing import Any

from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from .casing import member
from .schemas import json_schema

# Google's name, the model server's, and of which type it is.
_OPTIONS: tuple[tuple[str, str, type | tuple[type, ...]], ...] = (
    ("temperature", "temperature", (int, float)),
    ("top_p", "top_p", (int, float)),
    ("stop_sequences", "stop", list),
    ("seed", "seed", int),
    ("presence_penalty", "presence_penalty", (int, float)),
    ("frequency_penalty", "frequency_penalty", (int, float)),
)
_EFFORTS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}


class Config:
    """How the model is to generate; what only Google's models know (``topK``, safety settings) is passed over.

    Args:
        config: the member ``generationConfig``.

    Raises:
        BadParameter: if it is malformed, or asks for what is not to be had here.
    """

    def __init__(self, config: Any) -> None:
        if not isinstance(config, dict | None):
            raise BadParameter("generationConfig", "generationConfig must be an object")
        self._config: Json = config or {}
        self._refuse()
        thinking = member(self._config, "thinking_config")
        self._thinking: Json = thinking if isinstance(thinking, dict) else {}

    @property
    def max_output_tokens(self) -> int | None:
        """Tokens that the model may write in all."""
        most = member(self._config, "max_output_tokens")
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
            raise BadParameter("generationConfig.maxOutputTokens", "maxOutputTokens must be a whole number from 1 on")
        return most

    @property
    def shows_thoughts(self) -> bool:
        """Whether the answer is to have the model's reasoning."""
        return member(self._thinking, "include_thoughts") is True

    def options(self) -> Json:
        """What goes to the model server as it is."""
        given = {}
        for name, theirs, kind in _OPTIONS:
            value = member(self._config, name)
            if value is None:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                raise BadParameter(f"generationConfig.{name}", f"generationConfig.{name} is of the wrong type")
            given[theirs] = value
        level = member(self._thinking, "thinking_level")
        if isinstance(level, str) and level.upper() in _EFFORTS:
            given["reasoning_effort"] = _EFFORTS[level.upper()]
        return given | self._format()

    def _format(self) -> Json:
        mime = member(self._config, "response_mime_type") or "text/plain"
        schema = member(self._config, "response_json_schema")
        if schema is None and (theirs := member(self._config, "response_schema")) is not None:
            schema = json_schema(theirs)
        if mime == "text/plain":
            return {}
        if mime != "application/json":
            raise Unsupported("generationConfig.responseMimeType", f"responseMimeType {str(mime)[:64]!r} is not known")
        if schema is None:
            return {"response_format": {"type": "json_object"}}
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}

    def _refuse(self) -> None:
        if member(self._config, "candidate_count") not in (None, 1):
            raise Unsupported("generationConfig.candidateCount", "there is one candidate: leave candidateCount out")
        modalities = member(self._config, "response_modalities") or ["TEXT"]
        if not isinstance(modalities, list) or any(str(each).upper() != "TEXT" for each in modalities):
            raise Unsupported("generationConfig.responseModalities", "answers are text; leave responseModalities out")
        if member(self._config, "response_logprobs"):
            raise Unsupported("generationConfig.responseLogprobs", "logprobs are not given")
        if member(self._config, "response_format"):
            raise Unsupported("generationConfig.responseFormat", "name the form of answers by responseMimeType")
