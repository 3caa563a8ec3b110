"""Requests for chat completions by OpenAI's client, and what the tests read out of the answers."""

from __future__ import annotations

from typing import Any, cast

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.support.steps import Json

PYTHON: Json = {"type": "code_interpreter"}
WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION: Json = {"role": "user", "content": "How much is it?"}
ASKED: Json = {"model": "m", "messages": [QUESTION], "tools": [PYTHON]}
PLAIN: Json = {"model": "m", "messages": [QUESTION]}


def ask(client: OpenAI, **asked: Any) -> ChatCompletion:
    """A completion, by default of a question with Python at hand."""
    return cast("ChatCompletion", client.chat.completions.create(**{**ASKED, **asked}))


def stream(client: OpenAI, **asked: Any) -> list[ChatCompletionChunk]:
    """The same in chunks."""
    with client.chat.completions.create(**{**ASKED, **asked, "stream": True}) as chunks:
        return list(chunks)


def said(completion: ChatCompletion) -> str | None:
    """Its text."""
    return completion.choices[0].message.content


def insitu(completion: ChatCompletion) -> Json:
    """What it tells of its steps."""
    return cast("Json", (completion.choices[0].message.model_extra or {})["insitu"])


def steps(completion: ChatCompletion) -> list[Json]:
    """Its steps."""
    return cast("list[Json]", insitu(completion)["steps"])


def deltas(chunks: list[ChatCompletionChunk]) -> list[Json]:
    """The deltas of chunks, without what is not set."""
    return [choice.delta.model_dump(exclude_unset=True) for chunk in chunks for choice in chunk.choices]
