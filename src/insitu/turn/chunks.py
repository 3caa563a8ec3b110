"""The pieces of a model's answer as they come over the wire, where anything may be missing or of another type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import UpstreamFailed

Kind = TypeVar("Kind")

# The names under which servers show a model's reasoning.
_REASONING = ("reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a model server tells of the tokens of one call."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class CallPiece:
    """Some more of a tool call."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more of an answer.

    Args:
        thought: reasoning, which came in the field ``thought_field``.
        finish: why the answer ends, if it does.
    """

    text: str = ""
    thought: str = ""
    thought_field: str = ""
    calls: tuple[CallPiece, ...] = ()
    finish: str | None = None
    tokens: Tokens | None = None
    model: str = ""


def read_piece(chunk: object) -> Piece:
    """What a chunk adds to the answer; of several choices only the first counts, as nobody asked for another.

    Raises:
        UpstreamFailed: if it is no chunk of a chat completion.
    """
    try:
        return _read(_as(chunk, dict))
    except TypeError as exc:
        raise UpstreamFailed(f"the model server sent what is no chat completion: {str(chunk)[:200]} ({exc})") from None


def _read(chunk: dict[str, Any]) -> Piece:
    delta: dict[str, Any] = {}
    finish = None
    for choice in (_as(each, dict) for each in _get(chunk, "choices", list)):
        if not choice.get("index"):
            delta, finish = _get(choice, "delta", dict), _get(choice, "finish_reason", str) or None
    thought_field = next((name for name in _REASONING if isinstance(delta.get(name), str) and delta[name]), "")
    return Piece(
        # A refusal is what the model has to say: it must not get lost.
        text=_get(delta, "content", str) + _get(delta, "refusal", str),
        thought=delta[thought_field] if thought_field else "",
        thought_field=thought_field,
        calls=tuple(_call(_as(each, dict)) for each in _get(delta, "tool_calls", list)),
        finish=finish,
        tokens=_tokens(chunk["usage"]) if chunk.get("usage") else None,
        model=_get(chunk, "model", str),
    )


def _call(part: dict[str, Any]) -> CallPiece:
    function = _get(part, "function", dict)
    name, arguments = _get(function, "name", str), _get(function, "arguments", str)
    return CallPiece(_get(part, "index", int), _get(part, "id", str), name, arguments)


def _tokens(usage: object) -> Tokens:
    told = _as(usage, dict)
    prompt, completion = (_get(told, f"{name}_tokens_details", dict) for name in ("prompt", "completion"))
    return Tokens(
        input=_get(told, "prompt_tokens", int),
        output=_get(told, "completion_tokens", int),
        cached=_get(prompt, "cached_tokens", int),
        reasoning=_get(completion, "reasoning_tokens", int),
    )


def _get(of: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """A member, or an empty one of its type where it is missing or null."""
    value = of.get(name)
    return kind() if value is None else _as(value, kind, name)


def _as(value: object, kind: type[Kind], name: str = "it") -> Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {type(value).__name__}")
    return value
