"""Requests for responses, and what the tests read out of their answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai.types.responses import Response

from tests.support.steps import Json, Step, call

PYTHON: Json = {"type": "code_interpreter", "container": {"type": "auto"}}
SHELL: Json = {"type": "shell", "environment": {"type": "container_auto"}}
WEATHER: Json = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
OUTPUTS = ["code_interpreter_call.outputs"]


def run(*codes: str, text: str | None = None) -> Step:
    """A step in which the model runs pieces of Python side by side."""
    return call(*(("python", {"code": code}) for code in codes), text=text)


def kinds(response: Response) -> list[str]:
    """The types of its output items."""
    return [item.type for item in response.output]


def calls(response: Response) -> list[Any]:
    """Its calls of Python."""
    return [item for item in response.output if item.type == "code_interpreter_call"]


def logs(call: Any) -> str:
    """What a call wrote and showed."""
    return "\n".join(output.logs for output in call.outputs if output.type == "logs")


def told(body: Json) -> list[str]:
    """What the model was told of its calls."""
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def annotations(response: Response) -> list[Json]:
    """The annotations of its last message."""
    [part] = [item for item in response.output if item.type == "message"][-1].content
    return [annotation.model_dump() for annotation in getattr(part, "annotations", [])]


def order(events: Iterable[Any]) -> list[tuple[str, int | None, str | None]]:
    """Type, place in the output and type of the item of each event; the same event many times in a row is one."""
    found: list[tuple[str, int | None, str | None]] = []
    for event in events:
        item = getattr(event, "item", None)
        each = (event.type.removeprefix("response."), getattr(event, "output_index", None), getattr(item, "type", None))
        if not (each[0].endswith(".delta") and found and found[-1] == each):
            found.append(each)
    return found
