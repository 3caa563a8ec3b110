"""Messages by Anthropic's client, and what the tests read out of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.support.steps import Json

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)

CODE: Json = {"type": "code_execution_20250825", "name": "code_execution"}
PYTHON: Json = {"type": "code_execution_20250522", "name": "code_execution"}
WEATHER: Json = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
BY_CODE: Json = {**WEATHER, "allowed_callers": ["code_execution_20250825"]}
QUESTION: Json = {"role": "user", "content": "How much is it?"}
ASKED: Json = {"model": "m", "max_tokens": 1000, "messages": [QUESTION], "tools": [CODE]}


def ask(client: Anthropic, **asked: Any) -> Message:
    """A message, by default the answer to a question with code at hand."""
    return cast("Message", client.messages.create(**{**ASKED, **asked}))


def stream(client: Anthropic, **asked: Any) -> list[Any]:
    """The same as events, each of which is Anthropic's to the letter."""
    with client.messages.create(**{**ASKED, **asked, "stream": True}) as events:
        found = list(events)
    for event in found:
        if not event.type.startswith("insitu."):
            _EVENT.validate_python(event.to_dict())
    return found


def conversation(*turns: Message | str | Sequence[Json]) -> list[Json]:
    """A question, and what was said after it: answers of the model, and texts or blocks of the user."""
    said = [
        {"role": "assistant", "content": turn.content}
        if isinstance(turn, Message)
        else {"role": "user", "content": turn}
        for turn in turns
    ]
    return [QUESTION, *said]


def kinds(message: Message) -> list[str]:
    """The types of its blocks."""
    return [block.type for block in message.content]


def uses(message: Message) -> list[Any]:
    """Its uses of the server's tools."""
    return [block for block in message.content if block.type == "server_tool_use"]


def client_uses(message: Message) -> list[Any]:
    """The uses that the client is to answer."""
    return [block for block in message.content if block.type == "tool_use"]


def results(message: Message) -> list[Any]:
    """What came of its uses of the server's tools."""
    return list(results_by_use(message).values())


def result(message: Message) -> Any:
    """What came of its only use."""
    [only] = results(message)
    return only


def results_by_use(message: Message) -> dict[str, Any]:
    """The same by the ids of the uses."""
    blocks: list[Any] = [block for block in message.content if block.type.endswith("_tool_result")]
    return {block.tool_use_id: block.content for block in blocks}


def text(message: Message) -> str:
    """What it says."""
    return "".join(block.text for block in message.content if block.type == "text")


def answer(use: Any, content: Any, **more: Any) -> Json:
    """What the client answers a use."""
    return {"type": "tool_result", "tool_use_id": use.id, "content": content, **more}
