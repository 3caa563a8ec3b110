"""A question to a model, which runs code to answer it: what is sent, in which order, and who hears of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import chain
from typing import Any, TypedDict

from insitu.errors import InsituError, InvalidRequest, NotFound
from insitu.options import AsyncContent, Content, TextListener, async_chunks, chunks
from insitu.types import Answer, AnswerEvent, AnyAnswer

from . import calls
from .made import AsyncClientAnswer, ClientAnswer, fields_of
from .reading import AnswerReader
from .transport import AsyncTransport, Transport

_PYTHON = {"type": "code_interpreter", "container": {"type": "auto"}}


class AskOptions(TypedDict, total=False):
    """What a question may be given.

    Args:
        model: by default the first that the server names.
        instructions: what the model is told before all else.
        max_steps: calls of the model at the most; the server has a bound of its own.
        previous: the answer that this question follows, or its id.
    """

    model: str | None
    instructions: str | None
    max_steps: int | None
    previous: Answer | str | None


def ask(
    transport: Transport, question: str, files: Mapping[str, Content] | None, options: AskOptions
) -> Generator[AnswerEvent[ClientAnswer]]:
    """Upload the files, ask, and read the answer as it comes."""
    forms = [(_Form(name), content) for name, content in (files or {}).items()]
    model = options.get("model") or _first(transport.send(calls.models()), transport.url)
    ids = [transport.send(calls.upload(form.boundary), form.around(chunks(content))) for form, content in forms]
    reader = AnswerReader()
    with closing(transport.stream(calls.respond(_body(question, model, ids, options)))) as stream:
        for sse in stream:
            yield from reader.read(sse)
    answer = reader.answer(transport.url)
    yield from reader.end(ClientAnswer(**fields_of(answer, _sizes(transport, answer)), _transport=transport))


async def ask_async(
    transport: AsyncTransport, question: str, files: Mapping[str, AsyncContent] | None, options: AskOptions
) -> AsyncGenerator[AnswerEvent[AsyncClientAnswer]]:
    """The same from an event loop."""
    forms = [(_Form(name), content) for name, content in (files or {}).items()]
    model = options.get("model") or _first(await transport.send(calls.models()), transport.url)
    ids = [
        await transport.send(calls.upload(form.boundary), form.around_async(async_chunks(content)))
        for form, content in forms
    ]
    reader = AnswerReader()
    async with aclosing(transport.stream(calls.respond(_body(question, model, ids, options)))) as stream:
        async for sse in stream:
            for event in reader.read(sse):
                yield event
    answer = reader.answer(transport.url)
    fields = fields_of(answer, await _sizes_async(transport, answer))
    for last in reader.end(AsyncClientAnswer(**fields, _transport=transport)):
        yield last


@dataclass(frozen=True, slots=True)
class AskListeners:
    """Who wants to hear of an answer while it is made."""

    on_text: TextListener | None
    on_code: TextListener | None
    on_output: TextListener | None

    def follow(self, events: Generator[AnswerEvent[AnyAnswer]]) -> AnyAnswer:
        """Reads the events to their end, and tells the listeners of them."""
        last: AnswerEvent[AnyAnswer] | None = None
        with closing(events):
            for last in events:
                self._tell(last)
        return _finished(last)

    async def follow_async(self, events: AsyncGenerator[AnswerEvent[AnyAnswer]]) -> AnyAnswer:
        """The same from an event loop, with listeners that may be async."""
        last: AnswerEvent[AnyAnswer] | None = None
        async with aclosing(events):
            async for last in events:
                if isawaitable(told := self._tell(last)):
                    await told
        return _finished(last)

    def _tell(self, event: AnswerEvent[Any]) -> object:
        listeners = {"text": self.on_text, "code": self.on_code, "output": self.on_output}
        listener = listeners.get(event.kind)
        return listener(event.text) if listener else None


@dataclass(frozen=True, slots=True)
class _Form:
    """A form that carries one file, sent piece by piece."""

    name: str
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set('/\\"') or not self.name.isprintable():
            raise InvalidRequest(
                f"a file cannot be named {self.name!r}", hint="files of a question have names without folders"
            )

    def around(self, content: Iterable[bytes]) -> Iterable[bytes]:
        return chain((self._head,), content, (self._tail,))

    async def around_async(self, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        yield self._head
        async for chunk in content:
            yield chunk
        yield self._tail

    @property
    def _head(self) -> bytes:
        purpose = f'--{self.boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        file = f'--{self.boundary}\r\nContent-Disposition: form-data; name="file"; filename="{self.name}"\r\n\r\n'
        return (purpose + file).encode()

    @property
    def _tail(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()


def _first(models: list[str], url: str) -> str:
    if models:
        return models[0]
    raise NotFound(
        f"the server at {url} has no model",
        hint="start it with --upstream URL, the base URL of an OpenAI-compatible model server",
    )


def _body(question: str, model: str, file_ids: list[str], options: AskOptions) -> dict[str, Any]:
    # As parts of the message, and not of the container, the model is told of them, and a later question has them too.
    files = [{"type": "input_file", "file_id": file_id} for file_id in file_ids]
    content = [{"type": "input_text", "text": question}, *files]
    previous, max_steps = options.get("previous"), options.get("max_steps")
    body = {
        "model": model,
        "input": [{"role": "user", "content": content}],
        "instructions": options.get("instructions"),
        "tools": [_PYTHON],
        "include": ["code_interpreter_call.outputs"],
        "stream": True,
        "previous_response_id": previous.id if isinstance(previous, Answer) else previous,
        "insitu": None if max_steps is None else {"max_steps": max_steps},
    }
    return {name: value for name, value in body.items() if value is not None}


def _sizes(transport: Transport, answer: Answer) -> dict[str, int]:
    """What the answer's files have, in bytes; the answer is whole without it."""
    sizes: dict[str, int] = {}
    with suppress(InsituError):
        for container_id in _containers(answer):
            found = transport.send(calls.container_sizes(container_id))
            sizes.update(found)
    return sizes


async def _sizes_async(transport: AsyncTransport, answer: Answer) -> dict[str, int]:
    sizes: dict[str, int] = {}
    with suppress(InsituError):
        for container_id in _containers(answer):
            found = await transport.send(calls.container_sizes(container_id))
            sizes.update(found)
    return sizes


def _containers(answer: Answer) -> list[str]:
    return list(dict.fromkeys(file.container_id for file in answer.files))


def _finished(last: AnswerEvent[AnyAnswer] | None) -> AnyAnswer:
    answer = last.answer if last else None
    assert answer is not None, "a stream that does not end with `finished` raises"
    return answer
