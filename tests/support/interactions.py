"""Shorthands for interactions of Google's client, and what it takes their events for."""

from __future__ import annotations

from typing import Any

import pytest
from google import genai
from google.genai import interactions as types
from pydantic import TypeAdapter

from tests.support.steps import Json

PYTHON: Json = {"type": "code_execution"}
ASKED: Json = {"model": "m", "input": "How much?", "tools": [PYTHON]}
_EVENT: TypeAdapter[Any] = TypeAdapter(types.InteractionSSEEvent)


def interact(client: genai.Client, **asked: Any) -> Any:
    """An interaction, by default about a question with Python at hand; to the letter what the client knows."""
    made = client.interactions.create(**{**ASKED, **asked})
    types.Interaction.model_validate(made.model_dump())
    return made


def stream(client: genai.Client, **asked: Any) -> Any:
    """The same as a stream, which is to be closed."""
    return client.interactions.create(**{**ASKED, **asked, "stream": True})


def follow(client: genai.Client, **asked: Any) -> list[Any]:
    """All events of it."""
    return check(stream(client, **asked))


def check(events: Any) -> list[Any]:
    """The events of a stream, each of them whole: the client reads them without looking."""
    seen = list(events)
    for event in seen:
        read = _EVENT.validate_python(event.model_dump(exclude_none=True))
        assert type(read).__name__ == type(event).__name__ and not hasattr(read, "is_unknown")
    return seen


def until_called(events: Any, times: int = 1) -> list[Any]:
    """The events up to the one by which code is called so many times."""
    seen = []
    for event in events:
        seen.append(event)
        if [put["type"] for put in put_together(seen)].count("code_execution_call") == times:
            return seen
    raise AssertionError("the stream ended before the code was called")


def refused(status: int, match: str = ".") -> pytest.RaisesExc[Exception]:
    """What a call of Google's client ends with; the classes of such exceptions are private to it."""
    return pytest.raises(Exception, match=match, check=lambda exc: getattr(exc, "status_code", None) == status)


def kinds(steps: list[Any]) -> list[str]:
    """What kind each step is; consecutive ones of a kind stand once."""
    every = [step.type for step in steps]
    return [kind for place, kind in enumerate(every) if place == 0 or every[place - 1] != kind]


def put_together(events: list[Any]) -> list[Json]:
    """The steps that the events of a stream make."""
    steps: list[Json] = []
    for event in events:
        if event.event_type == "step.start":
            assert event.index == len(steps)
            steps.append(event.step.model_dump(exclude_none=True))
        elif event.event_type == "step.delta":
            _add(steps[event.index], event.delta.model_dump(exclude_none=True))
    return steps


def _add(step: Json, delta: Json) -> None:
    match delta["type"]:
        case "text" if step.get("content"):
            step["content"][-1]["text"] += delta["text"]
        case "thought_summary" if step.get("summary"):
            step["summary"][-1]["text"] += delta["content"]["text"]
        case "thought_summary":
            step["summary"] = [delta["content"]]
        case "arguments_delta":
            step["arguments"] = types.FunctionCallStep.model_validate_json(
                f'{{"id": "", "name": "", "type": "function_call", "arguments": {delta["arguments"]}}}'
            ).arguments
        case "text" | "image" | "document":
            step["content"] = [delta]
        case _:
            step |= delta
