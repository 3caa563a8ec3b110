"""A response as it comes from the wire, read as the events of an answer. No network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Never, TypeVar

from insitu.errors import AnswerFailed, ServiceError
from insitu.types import Answer, AnswerEvent, AnswerFile, Step, TokenUsage

from .answers import UNREADABLE, broken_off, rebuilt

if TYPE_CHECKING:
    import httpx2

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)

_PYTHON = "code_interpreter_call"
_DATA_URL = "data:image/png;base64,"
_PARAGRAPH = "\n\n"


class AnswerReader:
    """Takes the events of one response's stream."""

    def __init__(self) -> None:
        self._seq = count()
        self._message: str | None = None
        self._steps: dict[str, int] = {}
        self._printed: dict[str, dict[str, str]] = {}
        self._response: Mapping[str, Any] | None = None

    def read(self, sse: httpx2.ServerSentEvent) -> Iterator[AnswerEvent[Never]]:
        """What an event of the wire means; nothing, for most.

        Raises:
            InsituError: if the turn broke off.
        """
        try:
            body = json.loads(sse.data)
            yield from self._read(sse.event, body)
        except UNREADABLE as error:
            raise ServiceError(f"an event {sse.event!r} cannot be read: {sse.data[:200]!r}") from error

    def _read(self, kind: str, body: Mapping[str, Any]) -> Iterator[AnswerEvent[Never]]:
        match kind:
            case "response.output_text.delta":
                yield AnswerEvent(next(self._seq), "text", self._text(body["item_id"], body["delta"]))
            case "response.code_interpreter_call_code.delta":
                yield AnswerEvent(next(self._seq), "code", body["delta"], self._index(body["item_id"]))
            case "insitu.output.delta":
                yield self._output(body)
            case "response.output_item.done" if body["item"]["type"] == _PYTHON:
                yield from self._step(body["item"])
            case "response.completed" | "response.incomplete":
                self._response = body["response"]
            case "response.failed":
                raise AnswerFailed(str(body["response"]["error"]["message"]))
            case "error":
                raise rebuilt(body)

    def _text(self, message: str, delta: str) -> str:
        earlier, self._message = self._message, message
        return delta if earlier in (None, message) else _PARAGRAPH + delta

    def _index(self, item_id: str) -> int:
        return self._steps.setdefault(item_id, len(self._steps))

    def _output(self, body: Mapping[str, Any]) -> AnswerEvent[Never]:
        stream, text = body["stream"], body["delta"]
        printed = self._printed.setdefault(body["item_id"], {"stdout": "", "stderr": ""})
        printed[stream] += text
        return AnswerEvent(next(self._seq), "output", text, self._index(body["item_id"]), stream)

    def _step(self, item: Mapping[str, Any]) -> Iterator[AnswerEvent[Never]]:
        step, index = read_step(item), self._index(item["id"])
        if rest := _rest(step.output, self._printed.pop(item["id"], {})):
            yield AnswerEvent(next(self._seq), "output", rest, index, "result")
        yield AnswerEvent(next(self._seq), "step", index=index, step=step)

    def answer(self, url: str) -> Answer:
        """The answer, once the stream has ended.

        Raises:
            ServerUnreachable: if it ended too early.
            AnswerFailed: if the turn was cancelled.
        """
        if self._response is None:
            raise broken_off(url, "the answer's end")
        try:
            return read_answer(self._response)
        except UNREADABLE as error:
            raise ServiceError(f"the answer of {url} cannot be read: {error!r}") from error

    def end(self, answer: AnyAnswer) -> Iterator[AnswerEvent[AnyAnswer]]:
        """The last events."""
        for file in answer.files:
            yield AnswerEvent(next(self._seq), "file", file=file)
        yield AnswerEvent(next(self._seq), "finished", answer=answer)


def read_answer(response: Mapping[str, Any]) -> Answer:
    """A response that has ended.

    Raises:
        AnswerFailed: if it was cancelled.
    """
    status = response["status"]
    if status not in ("completed", "incomplete"):
        raise AnswerFailed(f"the turn was {status}")
    items, usage = response["output"], response.get("usage") or {}
    parts = [list(_text_parts(item)) for item in items]
    return Answer(
        id=response["id"],
        model=response["model"],
        status=status,
        reason=response["incomplete_details"]["reason"] if status == "incomplete" else None,
        text=_PARAGRAPH.join(filter(None, ("".join(part["text"] for part in each) for each in parts))),
        steps=tuple(read_step(item) for item in items if item["type"] == _PYTHON),
        files=tuple(_files(part for each in parts for part in each)),
        usage=TokenUsage(**{name: usage.get(name, 0) for name in TokenUsage.__dataclass_fields__}),
    )


def read_step(item: Mapping[str, Any]) -> Step:
    """A call of Python that has ended."""
    outputs = item["outputs"] or []
    images = (output["url"] for output in outputs if output["type"] == "image")
    return Step(
        code=item["code"],
        output="\n".join(output["logs"] for output in outputs if output["type"] == "logs"),
        images=tuple(base64.b64decode(url.removeprefix(_DATA_URL)) for url in images if url.startswith(_DATA_URL)),
        status=item["status"],
        container_id=item["container_id"],
    )


def _text_parts(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if item["type"] == "message":
        yield from (part for part in item["content"] if part["type"] == "output_text")


def _files(parts: Iterator[Mapping[str, Any]]) -> Iterator[AnswerFile]:
    known = set()
    for part in parts:
        for each in part["annotations"]:
            if each["type"] == "container_file_citation" and each["file_id"] not in known:
                known.add(each["file_id"])
                yield AnswerFile(each["file_id"], each["filename"], each["container_id"])


def _rest(output: str, printed: Mapping[str, str]) -> str:
    """What of a step's output was not printed while it ran: the value of its last expression, a traceback."""
    # As the server puts it together.
    begin = "\n".join(text.rstrip("\n") for text in printed.values() if text.strip())
    return output[len(begin) :].lstrip("\n") if output.startswith(begin) else ""
