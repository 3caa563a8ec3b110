"""Chat completions: with code as a turn, without it as the model server's own answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....turn.events import TurnEvent, TurnResult
from ....web import turns
from ....web.encoding import dumps
from ....web.openapi import answers_elsewhere
from ....web.passthrough import PassThrough
from ....web.service import PlainRoute, Service, key_of, owner_of
from ....web.shapes import Json
from ....web.wire import INLINE_BYTES, body_of, json_answer, read_bytes
from ..errors import openai_error, openai_error_body
from .answer import finish_reason, usage
from .asked import ChatRequest, code_wish, without_ours
from .preparing import Chat

_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_DONE = b"data: [DONE]\n\n"


def routes(service: Service) -> APIRouter:
    """The route of chat completions."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1/chat", tags=["openai"])
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    @router.post("/completions", openapi_extra=_BODY, **answers_elsewhere())
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

        async def prepare() -> Chat:
            return await Chat.prepare(service, owner, key_of(request), asked, body_of(request))

        chat = await service.while_connected(request.receive, prepare)
        return _stream(service, chat) if asked.stream else await _whole(service, request, chat)

    return router


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


async def _whole(service: Service, request: Request, chat: Chat) -> Response:
    try:
        result = await turns.whole(service, request, partial(chat.run, service), chat.answer.hear)
    except turns.CodeRan as exc:
        return _not_to_be_repeated(exc.cause, request.scope["insitu.request_id"])
    chat.answer.end(result)
    return json_answer(chat.answer.completion(result))


def _not_to_be_repeated(error: Exception, request_id: str) -> Response:
    # Clients send again by themselves what fails with most statuses, and the code would run again.
    answer = openai_error(error, request_id)
    answer.status_code = 424
    answer.headers["x-should-retry"] = "false"
    return answer


def _stream(service: Service, chat: Chat) -> Response:
    run = partial(chat.run, service)
    teller = partial(_Stream, chat)
    return turns.stream(service, chat.answer.id, chat.turn.owner, run, teller, on_error=_error_event)


def _error_event(exc: Exception, request_id: str) -> bytes:
    return b"data: %b\n\n" % dumps({"error": openai_error_body(exc, request_id)})


class _Stream:
    """Writes an answer as the events of a stream."""

    def __init__(self, chat: Chat, send: Callable[[bytes], None]) -> None:
        self._answer = chat.answer
        self._tells_usage = chat.asked.include_usage
        self._send = send
        self._begun = False

    def hear(self, event: TurnEvent) -> None:
        """Send what there is to tell of an event."""
        self._begin()
        if (delta := self._answer.hear(event)) is not None:
            self._chunk([_choice(delta)])

    async def end(self, result: TurnResult) -> None:
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
