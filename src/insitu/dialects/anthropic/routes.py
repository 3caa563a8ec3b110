"""Messages: made while the client waits, or streamed to it; and their tokens, counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...store import new_id
from ...web import turns
from ...web.encoding import dumps
from ...web.openapi import takes
from ...web.service import PlainRoute, Service
from ...web.shapes import Json
from ...web.sse import encode
from ...web.wire import INLINE_BYTES, json_answer, read_json
from .answer import MessageAnswer
from .asked import CountTokens, CreateMessage
from .description import TokenCount, answers, answers_or_streams
from .errors import anthropic_error_body
from .preparing import PreparedMessage, prepare

_PING = encode("ping", b'{"type":"ping"}')


def routes(service: Service) -> APIRouter:
    """The routes of messages."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1/messages", tags=["anthropic"])
    cap = min(service.settings.upload_bytes, INLINE_BYTES)

    @router.post("", openapi_extra=takes(CreateMessage), **answers_or_streams())
    async def create_message(request: Request) -> Response:
        """Answer messages; with a tool `code_execution_…` the code that the model writes is run on the way."""
        asked = await read_json(request, CreateMessage, cap)
        prepared, streams = await turns.prepared(service, request, prepare, asked), asked.stream
        del asked  # it can be large, and a turn long
        return _stream(service, request, prepared) if streams else await _whole(service, request, prepared)

    @router.post("/count_tokens", openapi_extra=takes(CountTokens), **answers(TokenCount))
    async def count_message_tokens(request: Request) -> Response:
        """How many tokens messages have, by the model server's own count."""
        prepared = await turns.prepared(service, request, prepare, await read_json(request, CountTokens, cap))
        count = partial(service.turns.count_tokens, prepared.turn)
        return json_answer({"input_tokens": await turns.in_room(service, request, count)})

    return router


async def _whole(service: Service, request: Request, prepared: PreparedMessage) -> Response:
    message = MessageAnswer(new_id("msg_"), prepared)
    await message.end(await turns.whole(service, request, partial(service.turns.run, prepared.turn), message.hear))
    return json_answer(message.body)


def _stream(service: Service, request: Request, prepared: PreparedMessage) -> Response:
    message_id, run = new_id("msg_"), partial(service.turns.run, prepared.turn)

    def teller(send: Callable[[bytes], None]) -> MessageAnswer:
        return MessageAnswer(message_id, prepared, partial(_send, send))

    return turns.stream(service, request, message_id, run, teller, on_error=_error_event, keep_alive=_PING)


def _send(send: Callable[[bytes], None], event: Json) -> None:
    send(encode(event["type"], dumps(event)))


def _error_event(exc: Exception, request_id: str) -> bytes:
    return encode("error", dumps(anthropic_error_body(exc, request_id)))
