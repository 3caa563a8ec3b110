"""The answers that a scripted model gives, and the ways in which it fails while it gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from threading import Event
from typing import Any, Literal

Json = dict[str, Any]
Ending = Literal["whole", "unfinished", "broken", "hang"]

TOKENS = (10, 5)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: ``arguments`` to the letter as the model writes them, and no id where the server is to give one."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One answer; the functions below make it.

    Args:
        raw: the body, instead of one that is made from the fields before.
        ending: how it ends.
        after: events that are sent before that, counted as they are on the wire; None: not even the head.
    """

    text: str | None = None
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    calls: tuple[Call, ...] = ()
    whole_calls: bool = False
    no_ids: bool = False
    finish_reason: str = "stop"
    usage: Json | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    ending: Ending = "whole"
    after: int | None = None


def say(text: str, *, usage: tuple[int, int] | Json | None = TOKENS, finish_reason: str = "stop") -> Step:
    """A text.

    Args:
        usage: tokens of prompt and answer, or all of the object; None: a server that never tells it.
    """
    return Step(text=text, finish_reason=finish_reason, usage=_usage(usage))


def call(
    *calls: tuple[str, Json | str],
    text: str | None = None,
    ids: Sequence[str] | None = None,
    whole_calls: bool = False,
    no_ids: bool = False,
    usage: tuple[int, int] | Json | None = TOKENS,
    finish_reason: str = "tool_calls",
) -> Step:
    """Tool calls, after a text or without one.

    Args:
        calls: names and arguments; a string is sent as it is, nonsense or not.
        ids: by default call_1, call_2 and so on, counted by the model.
        whole_calls: each call comes in one event, and all have index 0, as with Ollama and Gemini.
        no_ids: calls come without ids.
    """
    made = tuple(
        Call(name, arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False), its)
        for (name, arguments), its in zip_longest(calls, ids or ())
    )
    return Step(
        text=text,
        calls=made,
        whole_calls=whole_calls,
        no_ids=no_ids,
        finish_reason=finish_reason,
        usage=_usage(usage),
    )


def reason(thinking: str, then: Step, *, name: str = "reasoning_content") -> Step:
    """A step after a chain of thought, in the field of that name."""
    return replace(then, reasoning=thinking, reasoning_field=name)


def fail(status: int, body: Json | str | bytes | None = None, headers: Mapping[str, str] | None = None) -> Step:
    """An HTTP error, by default with a body like OpenAI's."""
    if body is None:
        body = error(f"The scripted model fails with {status}.", "server_error")
    kind = "application/json" if isinstance(body, dict) else "text/plain"
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else encode(body)
    return Step(status=status, headers={"content-type": kind, **(headers or {})}, raw=raw)


def garbage(body: bytes) -> Step:
    """These bytes as the body of the stream, which then ends as streams do."""
    return Step(raw=body)


def broken(step: Step, after: int | None) -> Step:
    """The connection is closed after so many events, without the end of the body; None: before the answer's head."""
    return replace(step, ending="broken", after=after)


def hang(step: Step | None = None, after: int | None = 0) -> Step:
    """So many events, and then nothing until the client goes away; None: not even the answer's head."""
    return replace(step or Step(), ending="hang", after=after)


def until(told: Event, step: Step) -> Callable[[Json], Step]:
    """The step, once a test has said so."""

    def answer(_: Json) -> Step:
        assert told.wait(30)
        return step

    return answer


def unfinished(step: Step) -> Step:
    """The stream ends as streams do, but without a reason to finish, usage and ``[DONE]``."""
    return replace(step, ending="unfinished")


def error(message: str, type: str, *, param: str | None = None, code: str | None = None) -> Json:
    """An error body as OpenAI writes it."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def encode(value: Json) -> bytes:
    """JSON as servers write it: compact, and in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _usage(usage: tuple[int, int] | Json | None) -> Json | None:
    if not isinstance(usage, tuple):
        return usage
    prompt, completion = usage
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
