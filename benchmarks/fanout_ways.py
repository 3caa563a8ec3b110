"""The ways to call a tool many times: one call per step of the model, all in one step, or by one program."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from openai import OpenAI

from . import fanout_model
from .lookup import TOOLS
from .ways import CODE_INTERPRETER, Told, by_loop, completed


@dataclass(frozen=True, slots=True)
class Question:
    """A question that needs ``n`` calls of a tool."""

    tool: str
    n: int

    @property
    def text(self) -> str:
        """As the model hears it."""
        return fanout_model.question(self.tool, self.n)

    @property
    def function(self) -> dict[str, Any]:
        """The tool as a function of the client's own."""
        number = {"type": "integer", "description": "of the order"}
        parameters = {"type": "object", "properties": {"number": number}, "required": ["number"]}
        about = (TOOLS[self.tool].__doc__ or "").partition("\n")[0]
        return {"name": self.tool, "description": about, "parameters": parameters}

    def run(self, arguments: str) -> str:
        """Answer one call, as its client does."""
        return json.dumps(TOOLS[self.tool](**json.loads(arguments)))


@dataclass(frozen=True, slots=True)
class Way:
    """One way, and whom the client asks."""

    label: str
    at: Literal["model", "insitu"]
    ask: Callable[[OpenAI, Question], Told]


def _by_loop(client: OpenAI, question: Question, parallel: bool) -> Told:
    tools = [{"type": "function", "function": question.function}]
    answer = partial(_side_by_side, question)
    return by_loop(client, question.text, tools, answer, parallel_tool_calls=parallel)


def by_steps(client: OpenAI, question: Question) -> Told:
    """The classic loop with a model that makes one call per step."""
    return _by_loop(client, question, parallel=False)


def by_parallel_calls(client: OpenAI, question: Question) -> Told:
    """The same loop with a model that makes all calls in one step; the client runs them side by side."""
    return _by_loop(client, question, parallel=True)


def by_program(client: OpenAI, question: Question) -> Told:
    """A program that calls a tool of the server's."""
    granted = {"insitu": {"tools": [question.tool]}}
    response = completed(client, input=question.text, tools=[CODE_INTERPRETER], extra_body=granted)
    return Told(response.output_text, 1)


def by_pausing_program(client: OpenAI, question: Question) -> Told:
    """A program that calls the client's own function, and pauses until the client has answered all calls."""
    function = {"type": "function", **question.function, "strict": False, "allowed_callers": ["code_interpreter"]}
    tools = [CODE_INTERPRETER, function]
    response = completed(client, input=question.text, tools=tools)
    for requests in itertools.count(1):
        calls: list[Any] = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return Told(response.output_text, requests)
        answers = _side_by_side(question, [call.arguments for call in calls])
        given = [
            {"type": "function_call_output", "call_id": call.call_id, "output": output}
            for call, output in zip(calls, answers, strict=True)
        ]
        response = completed(client, input=given, previous_response_id=response.id, tools=tools)
    raise AssertionError("counting has no end")


def _side_by_side(question: Question, calls: Sequence[str]) -> Iterable[str]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return threads.map(question.run, calls)


WAYS = {
    "steps": Way("loop, one call a step", "model", by_steps),
    "parallel": Way("loop, parallel calls in one step", "model", by_parallel_calls),
    "program": Way("insitu, one program, the server's tool", "insitu", by_program),
    "pausing": Way("insitu, one program, the client's function", "insitu", by_pausing_program),
}
