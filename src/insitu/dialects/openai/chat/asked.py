"""What a request for a chat completion may hold, where code is to run; everything else is the model server's matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ....turn.events import Message
from ....web.holding import check_messages
from ....web.parameters import BadParameter, Unsupported
from ....web.shapes import Json
from ..places import ContainerWish, container_wish
from .tools import SWITCH, Tools

# What only this server has: the model server never sees it.
_OURS = (SWITCH, "insitu")
_READ_HERE = (
    "model",
    "messages",
    "tools",
    "tool_choice",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "max_tool_calls",
    *_OURS,
)
_OFF = 'code runs for one plain answer; send {"code_interpreter": false} to have the request go on as it is'


def code_wish(body: Any, *, by_default: bool) -> ContainerWish | None:
    """Where the code of a request is to run; None if it wants none.

    Raises:
        BadParameter: if that is malformed, or not to be had here.
    """
    if not isinstance(body, dict):
        if by_default:
            raise BadParameter("body", "the body must be a JSON object")
        return None
    tools = body.get("tools")
    if body.get(SWITCH) is False:
        return None
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and tool.get("type") == SWITCH:
            return _wish(tool, f"tools[{index}]")
    match body.get(SWITCH):
        case None:
            return _wish({}, SWITCH) if by_default else None
        case bool() as on:
            return _wish({}, SWITCH) if on else None
        case dict() as tool:
            return _wish(tool, SWITCH)
    raise BadParameter(SWITCH, f"{SWITCH} must be true, false, or an object like the entry in tools")


def _wish(tool: Json, where: str) -> ContainerWish:
    return container_wish(tool.get("container"), f"{where}.container")


def without_ours(body: Any) -> Any:
    """The body without what only this server knows; the very same object if there is nothing of it."""
    if not isinstance(body, dict):
        return body
    messages = body.get("messages")
    said = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    tools = _without_switch(body.get("tools"))
    ours = any(name in body for name in _OURS) or any("insitu" in message for message in said)
    if not ours and tools is body.get("tools"):
        return body
    cleaned = {name: value for name, value in body.items() if name not in _OURS}
    if tools is not body.get("tools"):
        cleaned["tools"] = tools
    if tools == []:
        # Without tools many a server takes neither the member nor a choice.
        cleaned = {name: value for name, value in cleaned.items() if name not in ("tools", "tool_choice")}
    if isinstance(messages, list):
        cleaned["messages"] = [stripped(m) if isinstance(m, dict) else m for m in messages]
    return cleaned


def _without_switch(tools: Any) -> Any:
    if not isinstance(tools, list):
        return tools
    others = [tool for tool in tools if not (isinstance(tool, dict) and tool.get("type") == SWITCH)]
    return others if len(others) < len(tools) else tools


def stripped(message: Message) -> Message:
    """A message without the steps that this server told of, which clients send back."""
    return {name: value for name, value in message.items() if name != "insitu"}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion to make, with code.

    Args:
        granted: the names of the server's tools that code may call; None for the operator's default.
    """

    model: str
    messages: list[Message]
    tools: Tools
    container: ContainerWish
    granted: list[str] | None
    tool_choice: Any
    options: Mapping[str, Any]
    max_output_tokens: int | None
    max_tool_calls: int | None
    max_steps: int | None
    stream: bool
    include_usage: bool

    @classmethod
    def read(cls, body: Json, container: ContainerWish) -> ChatRequest:
        """The request of a body.

        Raises:
            BadParameter: if something is malformed, or does not go together with code.
        """
        _check_depth(body)
        _refuse(body)
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise BadParameter("model", "model must be the name of a model")
        stream_options = _object(body, "stream_options")
        ours = _object(body, "insitu")
        most = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
        return cls(
            model=model,
            messages=_messages(body.get("messages")),
            tools=Tools(body.get("tools")),
            container=container,
            granted=_names(ours.get("tools")),
            tool_choice=body.get("tool_choice"),
            options={name: value for name, value in body.items() if name not in _READ_HERE},
            max_output_tokens=_count(body, most, 1),
            max_tool_calls=_count(body, "max_tool_calls", 0),
            max_steps=_count(ours, "max_steps", 1, "insitu."),
            stream=_flag(body, "stream"),
            include_usage=_flag(stream_options, "include_usage", "stream_options."),
        )


def _check_depth(body: Json) -> None:
    try:
        orjson.dumps(body)
    except TypeError:
        # Python's own encoder, which writes what the model server gets, is not sure to come to the end of it.
        raise BadParameter("body", "the body is nested too deep") from None


def _refuse(body: Json) -> None:
    if body.get("n") not in (None, 1):
        raise BadParameter("n", f"n is {str(body['n'])[:32]}, and with code there is one answer", hint=_OFF)
    for name in ("functions", "function_call"):
        if body.get(name) is not None:
            raise Unsupported(name, f"{name} is not taken together with code; write it as tools", hint=_OFF)
    if body.get("logprobs"):
        raise Unsupported("logprobs", "logprobs are not given together with code", hint=_OFF)
    modalities = body.get("modalities") or []
    if not isinstance(modalities, list):
        raise BadParameter("modalities", "modalities must be a list")
    if "audio" in modalities:
        raise Unsupported("modalities", "audio is not given together with code", hint=_OFF)


def _messages(messages: Any) -> list[Message]:
    if not isinstance(messages, list) or not messages:
        raise BadParameter("messages", "messages must be a list of at least one message")
    check_messages("messages", messages)
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadParameter(f"messages[{index}]", f"messages[{index}] must be an object with a role")
        if not _are_calls(message.get("tool_calls")):
            where = f"messages[{index}].tool_calls"
            raise BadParameter(where, f"{where} must be a list of calls, of functions with a name and arguments")
    return messages


def _are_calls(calls: Any) -> bool:
    return calls is None or (isinstance(calls, list) and all(map(_is_call, calls)))


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str | None):
        return False
    function = call.get("function")
    if function is None:
        return "type" in call and call["type"] != "function"
    return isinstance(function, dict) and all(isinstance(function.get(name), str) for name in ("name", "arguments"))


def _names(wish: Any) -> list[str] | None:
    if wish is None or (isinstance(wish, list) and all(isinstance(name, str) for name in wish)):
        return wish
    raise BadParameter("insitu.tools", 'insitu.tools must be a list of names of tools, or ["*"] for all of them')


def _count(values: Json, name: str, least: int, within: str = "") -> int | None:
    value = values.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise BadParameter(f"{within}{name}", f"{within}{name} must be a whole number of at least {least}")
    return value


def _flag(values: Json, name: str, within: str = "") -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadParameter(f"{within}{name}", f"{within}{name} must be true or false")
    return bool(value)


def _object(values: Json, name: str) -> Json:
    value = values.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadParameter(name, f"{name} must be an object")
    return value or {}
