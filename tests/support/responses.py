"""Requests for responses by OpenAI's client, and what the tests read out of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from openai import OpenAI
from openai.types.responses import Response, ResponseIncludable, ResponseOutputMessage, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support.steps import Json, Step, call

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

PYTHON: Json = {"type": "code_interpreter", "container": {"type": "auto"}}
SHELL: Json = {"type": "shell", "environment": {"type": "container_auto"}}
WEATHER: Json = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
GUARDS = ("max_steps", "max_time", "max_tokens", "repeated_error")
OUTPUTS: list[ResponseIncludable] = ["code_interpreter_call.outputs"]
ASKED: Json = {"model": "m", "input": "How much is it?", "tools": [PYTHON], "include": OUTPUTS}
STOPPED = "the server stopped before the code ended (the code may have run in part; send it again if that does no harm)"


def ask(client: OpenAI, **asked: Any) -> Response:
    """A response, by default to a question with Python at hand."""
    return cast("Response", client.responses.create(**{**ASKED, **asked}))


@contextmanager
def streaming(client: OpenAI, **asked: Any) -> Iterator[Iterator[Any]]:
    """The same as events, while they come."""
    with client.responses.create(**{**ASKED, **asked, "stream": True}) as events:
        yield iter(events)


def stream(client: OpenAI, **asked: Any) -> list[Any]:
    """The same as events."""
    with streaming(client, **asked) as events:
        found = list(events)
    for event in found:
        check(event.to_dict())
    return found


def check(event: Json) -> None:
    """See that an event is one of OpenAI's, whole and to the letter; those of this server's own are another matter.

    Raises:
        ValidationError: if not.
    """
    if event["type"].startswith("insitu."):
        return
    if isinstance(event.get("response"), dict):
        reason = (event["response"].get("incomplete_details") or {}).get("reason")
        # Of the guards OpenAI knows nothing.
        event = event | {"response": event["response"] | ({"incomplete_details": None} if reason in GUARDS else {})}
    _EVENT.validate_python(event)


def run(*codes: str, text: str | None = None) -> Step:
    """A step in which the model runs pieces of Python side by side."""
    return call(*(("python", {"code": code}) for code in codes), text=text)


def kinds(response: Response) -> list[str]:
    """The types of its output items."""
    return [item.type for item in response.output]


def calls(response: Response) -> list[Any]:
    """Its calls of Python."""
    return [item for item in response.output if item.type == "code_interpreter_call"]


def logs(response: Response) -> list[str]:
    """What each of its calls of Python wrote and showed."""
    return ["\n".join(output.logs for output in call.outputs if output.type == "logs") for call in calls(response)]


def told(body: Json) -> list[str]:
    """What the model was told of its calls."""
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def cited(response: Response) -> list[Json]:
    """The annotations of its last message."""
    return cited_by([item for item in response.output if item.type == "message"][-1])


def cited_by(message: ResponseOutputMessage) -> list[Json]:
    """What a message of one part cites."""
    [part] = message.content
    return [annotation.model_dump() for annotation in getattr(part, "annotations", [])]


def order(events: Iterable[Any]) -> list[tuple[Any, ...]]:
    """The types of events without ``response.``, with the place in the output, and with the type of the item, if any.

    Deltas in a row are one.
    """
    found: list[tuple[Any, ...]] = []
    for event in events:
        item = getattr(event, "item", None)
        place = (event.output_index,) if hasattr(event, "output_index") else ()
        each = (event.type.removeprefix("response."), *place, *([item.type] if item else []))
        if not (each[0].endswith(".delta") and found and found[-1] == each):
            found.append(each)
    return found


def of_type(events: Sequence[Any], kind: str) -> list[Any]:
    """The events of a type; its ``response.`` is left out."""
    return [event for event in events if event.type.removeprefix("response.") == kind]


def deltas(events: Sequence[Any], kind: str) -> str:
    """What the deltas of a type make together."""
    return "".join(event.delta for event in of_type(events, kind))
