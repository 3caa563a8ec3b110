"""What a request for an interaction may hold, and the same in the words of generateContent."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ....web.fields import either
from ....web.parameters import BadParameter, Unsupported
from ....web.shapes import Json
from ..members import check_names

Input = Annotated[
    str | Json | list[Any], either(str, dict, list, otherwise="input must be a string, an object or a list of steps")
]
Format = Annotated[Json | list[Any], either(dict, list, otherwise="response_format must be an object or a list of one")]
_ELSEWHERE = (
    "agent",
    "agent_config",
    "cached_content",
    "continuation_token",
    "environment",
    "webhook_config",
)
_MODES = {"auto": "AUTO", "any": "ANY", "none": "NONE", "validated": "VALIDATED"}
# By the types of tools, with what Google's clients give them; deferring and a short description are hints.
TOOLS = {
    "code_execution": ("type",),
    "function": ("type", "name", "description", "parameters", "defer_loading", "short_description"),
}
CONFIG = (
    "image_config",
    "max_output_tokens",
    "seed",
    "speech_config",
    "stop_sequences",
    "temperature",
    "thinking_level",
    "thinking_summaries",
    "tool_choice",
    "top_p",
    "transcription_config",
    "video_config",
)
_TEXT_FORMAT = ("type", "mime_type", "schema")
_SAME = ("max_output_tokens", "seed", "stop_sequences", "temperature", "top_p")


class CreateInteraction(BaseModel):
    """An interaction to make."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, max_length=256)
    input: Input = Field(default_factory=list)
    system_instruction: str | None = None
    tools: list[Json] | None = Field(None, max_length=512)
    generation_config: Json | None = None
    response_format: Format | None = None
    response_mime_type: str | None = None
    response_modalities: list[str] | None = Field(None, max_length=16)
    previous_interaction_id: str | None = Field(None, max_length=256)
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    labels: dict[str, str] | None = Field(None, max_length=64, fail_fast=True)
    safety_settings: list[Any] | None = None
    service_tier: str | None = None
    agent: Any = None
    agent_config: Any = None
    cached_content: Any = None
    continuation_token: Any = None
    environment: Any = None
    webhook_config: Any = None

    @property
    def stored(self) -> bool:
        """Whether it is kept."""
        return self.store is not False

    def check(self) -> str:
        """Refuse what is not to be had here, and what does not go together; the model's name.

        Raises:
            BadParameter: if so.
        """
        for name in _ELSEWHERE:
            if getattr(self, name) is not None:
                raise Unsupported(name, f"{name} is not to be had here: only Google's own servers have it")
        if not self.model:
            raise BadParameter("model", "model is missing")
        if self.background and not self.stored:
            raise BadParameter("background", "background needs store: the interaction is fetched later")
        return self.model

    def content(self, contents: list[Json]) -> Json:
        """The same as a request to generate content."""
        config = self.generation_config or {}
        check_names(config, CONFIG, "generation_config")
        system = {"systemInstruction": self.system_instruction} if self.system_instruction else {}
        return {
            "contents": contents,
            "tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(self.tools or ())],
            "toolConfig": _tool_config(config.get("tool_choice")),
            "generationConfig": {**_config(config), **self._form(), "responseModalities": self.response_modalities},
            **system,
        }

    def _form(self) -> Json:
        forms = self.response_format if isinstance(self.response_format, list) else [self.response_format]
        if len(forms) > 1:
            raise Unsupported("response_format", "answers have one form: name one response_format")
        form = forms[0] if forms else None
        if form is None:
            return {"responseMimeType": self.response_mime_type}
        if not isinstance(form, dict):
            raise BadParameter("response_format", "response_format must be an object")
        if form.get("type") not in ("text", "audio", "image", "video"):  # a schema by itself
            return {"responseMimeType": "application/json", "responseJsonSchema": form}
        if form["type"] != "text":
            raise Unsupported("response_format.type", "answers are text: no other response_format is to be had here")
        check_names(form, _TEXT_FORMAT, "response_format")
        mime = form.get("mime_type") or ("application/json" if form.get("schema") else None)
        return {"responseMimeType": mime, "responseJsonSchema": form.get("schema")}


def _tool(tool: Json, where: str) -> Json:
    kind = str(tool.get("type"))
    if kind not in TOOLS:
        raise Unsupported(
            f"{where}.type", f"{where}: {kind[:64]!r} is not to be had here; there are {' and '.join(TOOLS)}"
        )
    check_names(tool, TOOLS[kind], where)
    if kind == "code_execution":
        return {"codeExecution": {}}
    declared = {name: tool[name] for name in ("name", "description") if tool.get(name) is not None}
    if tool.get("parameters") is not None:
        declared["parametersJsonSchema"] = tool["parameters"]
    return {"functionDeclarations": [declared]}


def _tool_config(choice: Any) -> Json | None:
    if choice is None:
        return None
    where = "generation_config.tool_choice"
    if isinstance(choice, dict):
        check_names(choice, ("allowed_tools",), where)
    allowed = choice.get("allowed_tools") if isinstance(choice, dict) else {"mode": choice}
    mode = allowed.get("mode", "auto") if isinstance(allowed, dict) else None
    if not isinstance(allowed, dict) or not isinstance(mode, str) or mode not in _MODES:
        raise BadParameter(where, f"{where} must be one of {', '.join(_MODES)}, or an object with allowed_tools")
    check_names(allowed, ("mode", "tools"), f"{where}.allowed_tools")
    return {"functionCallingConfig": {"mode": _MODES[mode], "allowedFunctionNames": allowed.get("tools")}}


def _config(config: Json) -> Json:
    thinking = {
        "thinkingLevel": config.get("thinking_level"),
        "includeThoughts": config.get("thinking_summaries") == "auto",
    }
    return {**{name: config.get(name) for name in _SAME}, "thinkingConfig": thinking}
