"""Chat completions: with code as a turn, without it as the model server's own answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....errors import InsituError
from ....turn.container import Container
from ....turn.events import Message, StepStarted, TurnEvent, TurnResult
from ....turn.guard import TurnFailed
from ....turn.jobs import Job
from ....turn.request import TurnRequest
from ....web.bodies import Body
from ....web.encoding import dumps
from ....web.errors import ServerStopped
from ....web.openapi import answers
from ....web.passthrough import PassThrough
from ....web.service import PlainRoute, Service, key_of, owner_of
from ....web.sse import EventStream
from ....web.wire import INLINE_BYTES, body_of, json_answer, read_bytes
from ..errors import openai_error, openai_error_body
from ..responses.asked import Json
from ..responses.attachments import Contents, attach
from ..responses.preparing import automatic_container, check_files
from ..weight import Holding
from .answer import ChatAnswer, finish_reason, usage
from .asked import ChatRequest, code_wish, without_ours
from .history import recall, remember, with_note_of_loss

_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_DONE = b"data: [DONE]\n\n"


def routes(service: Service) -> APIRouter:
    """The route of chat completions."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1/chat", tags=["openai"])
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    @router.post("/completions", openapi_extra=_BODY, **answers(None))
    async def create_chat_completion(request: Request) -> Response:
        """Answer a conversation.

        With a tool of the type `code_interpreter`, or `"code_interpreter": true` beside the other members, the code
        that the model writes is run on the way; anything else goes to the model server and back as it is.
        """
        content = await read_bytes(request, cap)
        body = _parsed(content)
        wish = code_wish(body, by_default=service.settings.code_by_default)
        if wish is None:
            ours_left_out = without_ours(body)
            return PassThrough(service, request, content if ours_left_out is body else dumps(ours_left_out))
        asked = ChatRequest.read(body, wish)
        owner = owner_of(request)

        async def prepare() -> _Chat:
            return await _Chat.prepare(service, owner, key_of(request), asked, body_of(request))

        chat = await service.while_connected(request.receive, prepare)
        return await (_stream if asked.stream else _whole)(service, request, chat)

    return router


@dataclass(frozen=True, slots=True)
class _Chat:
    """A request that can be answered."""

    asked: ChatRequest
    turn: TurnRequest
    answer: ChatAnswer

    @classmethod
    async def prepare(cls, service: Service, owner: str, caller_key: str, asked: ChatRequest, body: Body) -> _Chat:
        history = await recall(service.store, owner, asked.messages)
        if asked.functions:
            # What a client's function makes a turn wait for is stored in any case.
            await service.store.quota.admit(owner, 1)
        Holding(body, service.settings.max_transcript_bytes).take_all(history.messages)
        container, expired = await _container(service, owner, asked.container, history.containers)
        contents: Contents = []
        messages = await _with_files(service, owner, history.messages, container, contents)
        tool = service.turns.python(container, asked.names)
        turn = TurnRequest(
            owner=owner,
            model=asked.model,
            messages=with_note_of_loss(messages) if expired else messages,
            tools=[tool],
            contents=contents,
            client_tools=asked.functions,
            tool_choice=asked.choice(tool.name),
            options=asked.options,
            max_output_tokens=asked.max_output_tokens,
            max_tool_calls=asked.max_tool_calls,
            max_steps=asked.max_steps,
            caller_key=caller_key,
        )
        known = {asked.container.get("id"), *history.containers}
        return cls(asked, turn, ChatAnswer(asked.model, container.id if container.id in known else None))

    async def run(self, service: Service, emit: Callable[[TurnEvent], None]) -> TurnResult:
        """Run the turn, and store what a client's tool makes it wait for."""
        result = await service.turns.run(self.turn, emit)
        if result.reason == "client_tools":
            ids = [call["id"] for call in self.answer.calls]
            await remember(service.store, self.turn.owner, ids, result.messages, self.answer.container_id)
        return result


async def _with_files(
    service: Service, owner: str, messages: list[Message], container: Container, contents: Contents
) -> list[Message]:
    """The messages with words on where their files are, which are put into the container."""

    async def readable(part: Any) -> Any:
        if not isinstance(part, dict) or part.get("type") != "file" or not isinstance(part.get("file"), dict):
            return part
        find = partial(service.store.files.get, owner=owner)
        said = await attach(container, part["file"], "messages", find, contents)
        return {"type": "text", "text": said}

    return [
        {**message, "content": [await readable(part) for part in content]}
        if isinstance(content := message.get("content"), list)
        else message
        for message in messages
    ]


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


async def _container(service: Service, owner: str, wish: Json, earlier: list[str]) -> tuple[Container, bool]:
    """Where code is to run, and whether an earlier place has expired."""
    if "id" in wish:
        return await service.turns.containers.usable(wish["id"], owner), False
    container, expired = await automatic_container(service, owner, wish, earlier)
    await check_files(service, owner, wish["file_ids"])
    container.bring(wish["file_ids"])
    return container, expired


async def _whole(service: Service, request: Request, chat: _Chat) -> Response:
    def hear(event: TurnEvent) -> None:
        chat.answer.hear(event)

    async def work() -> TurnResult:
        return await chat.run(service, hear)

    try:
        result = await service.while_connected(request.receive, work)
    except TurnFailed as exc:
        if exc.code_ran:
            return _not_to_be_repeated(exc.error, request.scope["insitu.request_id"])
        raise exc.error from None
    chat.answer.end(result)
    return json_answer(chat.answer.completion(result))


def _not_to_be_repeated(error: Exception, request_id: str) -> Response:
    # Clients send again by themselves what fails with most statuses, and the code would run again.
    answer = openai_error(error, request_id)
    answer.status_code = 424
    answer.headers["x-should-retry"] = "false"
    return answer


async def _stream(service: Service, request: Request, chat: _Chat) -> Response:
    async def work(job: Job) -> None:
        stream = _Stream(chat, job.log.add)
        try:
            stream.end(await chat.run(service, stream.hear))
        except TurnFailed as exc:
            job.failure = exc.error
        except InsituError as exc:
            job.failure = exc

    job = service.turns.jobs.start(chat.answer.id, chat.turn.owner, work, found=False)
    return EventStream(service, _follow(job), on_error=_error_event, cut=job.forgotten)


async def _follow(job: Job) -> AsyncIterator[bytes]:
    try:
        async with aclosing(job.read()) as chunks:
            async for chunk in chunks:
                yield chunk
        if job.failure is not None:
            raise job.failure
        if job.cancelled_by_server:
            raise ServerStopped
    finally:
        job.cancel()


def _error_event(exc: Exception, request_id: str) -> bytes:
    return b"data: %b\n\n" % dumps({"error": openai_error_body(exc, request_id)})


class _Stream:
    """Writes an answer as the events of a stream."""

    def __init__(self, chat: _Chat, send: Callable[[bytes], None]) -> None:
        self._answer = chat.answer
        self._tells_usage = chat.asked.include_usage
        self._send = send
        self._begun = False

    def hear(self, event: TurnEvent) -> None:
        """Send what there is to tell of an event."""
        if isinstance(event, StepStarted):
            self._begin()
        if (delta := self._answer.hear(event)) is not None:
            self._chunk([_choice(delta)])

    def end(self, result: TurnResult) -> None:
        """Send the end."""
        self._begin()
        for delta in self._answer.end(result):
            self._chunk([_choice(delta)])
        self._chunk([_choice({}, finish_reason(result.reason))])
        if self._tells_usage:
            self._chunk([], usage(result.usage))
        self._send(_DONE)

    def _begin(self) -> None:
        # Not before the model server has begun: until then a failure is a plain HTTP error.
        if not self._begun:
            self._begun = True
            self._chunk([_choice({"role": "assistant", "content": "", "refusal": None})])

    def _chunk(self, choices: list[Json], used: Json | None = None) -> None:
        answer = self._answer
        head = {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created, "model": answer.model}
        chunk = {**head, "choices": choices, **({"usage": used} if self._tells_usage else {})}
        self._send(b"data: %b\n\n" % dumps(chunk))


def _choice(delta: Json, finish: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
