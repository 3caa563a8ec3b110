"""The ways to have a model's code run: by the client, in a loop, or by insitu, in one request."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openai import OpenAI
from openai.types.responses import Response

import insitu

from .servers import Connection

# Runs code, and gives what the model is to be told of it.
Run = Callable[[str], str]
# Answers the calls of one step: the arguments of each as JSON.
Answer = Callable[[Sequence[str]], Iterable[str]]
# Puts a question to a model, and gives its answer.
Ask = Callable[[str], str]

MODEL = "scripted"
_PYTHON: Any = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Runs Python, whose variables stay from one call to the next.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
    },
}
CODE_INTERPRETER: Any = {"type": "code_interpreter", "container": {"type": "auto"}}


@contextmanager
def client_of(port: int) -> Iterator[OpenAI]:
    """OpenAI's client, which opens its connection with its first request, and keeps it."""
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Told:
    """What the model said in the end, and how often the client had to ask."""

    text: str
    requests: int


def by_loop(client: OpenAI, question: str, tools: Any, answer: Answer, **options: Any) -> Told:
    """The classic way: one request for each call of the model, whose tools are the client's own."""
    messages: list[Any] = [{"role": "user", "content": question}]
    for requests in itertools.count(1):
        completion = client.chat.completions.create(model=MODEL, messages=messages, tools=tools, **options)
        message: Any = completion.choices[0].message
        if not message.tool_calls:
            return Told(message.content or "", requests)
        messages.append(message.model_dump(exclude_none=True))
        outputs = answer([call.function.arguments for call in message.tool_calls])
        for call, output in zip(message.tool_calls, outputs, strict=True):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})
    raise AssertionError("counting has no end")


def by_python_loop(client: OpenAI, question: str, run: Run) -> str:
    """The same for Python, which runs where the client says."""

    def answer(calls: Sequence[str]) -> list[str]:
        return [run(json.loads(arguments)["code"]) for arguments in calls]

    return by_loop(client, question, [_PYTHON], answer).text


def by_insitu(client: OpenAI, question: str) -> str:
    """One request."""
    return completed(client, input=question, tools=[CODE_INTERPRETER]).output_text


def completed(client: OpenAI, **asked: Any) -> Response:
    """A response, whose stream is read to its end."""
    response: Response | None = None
    with client.responses.create(model=MODEL, stream=True, **asked) as events:
        for event in events:  # to the end, or else the connection is not kept
            if event.type == "response.failed":
                raise RuntimeError(f"a response failed: {event.response.error}")
            response = event.response if event.type == "response.completed" else response
    if response is None:
        raise RuntimeError("a response ended without being completed")
    return response


@contextmanager
def own_sandbox() -> Iterator[Run]:
    """A sandbox in the client's own process."""
    with insitu.Sandbox() as sandbox:
        yield lambda code: sandbox.run(code).text


@contextmanager
def hosted_sandbox(port: int) -> Iterator[Run]:
    """A sandbox at a server, by a connection that is open already."""
    with Connection(port) as connection:
        path = f"/v1/sessions/{connection.post('/v1/sessions', {})['id']}"
        yield lambda code: str(connection.post(f"{path}/execute", {"code": code})["results"][0]["data"]["text/plain"])
        connection.request("DELETE", path)
