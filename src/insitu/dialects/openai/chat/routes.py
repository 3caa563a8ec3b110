"""Chat completions: with code as a turn, without it as the model server's own answer."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....web import turns
from ....web.encoding import dumps
from ....web.openapi import answers_elsewhere, takes_object
from ....web.passthrough import PassThrough
from ....web.service import PlainRoute, Service
from ....web.sse import encode_unnamed
from ....web.wire import INLINE_BYTES, json_answer, read_bytes
from ..errors import openai_error_body
from .asked import ChatRequest, code_wish, without_ours
from .preparing import PreparedChat, prepare
from .stream import ChatStream


def routes(service: Service) -> APIRouter:
    """The route of chat completions."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1/chat", tags=["openai"])
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    @router.post("/completions", openapi_extra=takes_object(), **answers_elsewhere())
    async def create_chat_completion(request: Request) -> Response:
        """Answer a conversation.

        With a tool of the type `code_interpreter`, or `"code_interpreter": true` beside the other members, the code
        that the model writes is run on the way; anything else goes to the model server and back as it is.
        """
        asked = _asked(service, request, await read_bytes(request, cap))
        if isinstance(asked, PassThrough):
            return asked
        prepared = await turns.prepared(service, request, prepare, asked)
        del asked  # it can be large, and a turn long
        return _stream(service, request, prepared) if prepared.streams else await _whole(service, request, prepared)

    return router


def _asked(service: Service, request: Request, content: bytes) -> ChatRequest | PassThrough:
    body = _parsed(content)
    wish = code_wish(body, by_default=service.settings.code_by_default)
    if wish is not None:
        return ChatRequest.read(body, wish)
    ours_left_out = without_ours(body)
    return PassThrough(service, request, content if ours_left_out is body else dumps(ours_left_out))


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


async def _whole(service: Service, request: Request, prepared: PreparedChat) -> Response:
    result = await turns.whole(service, request, partial(prepared.run, service), prepared.answer.hear)
    prepared.answer.end(result)
    return json_answer(prepared.answer.completion(result))


def _stream(service: Service, request: Request, prepared: PreparedChat) -> Response:
    run = partial(prepared.run, service)
    teller = partial(ChatStream, prepared.answer, tells_usage=prepared.tells_usage)
    return turns.stream(service, request, prepared.answer.id, run, teller, on_error=_error_event)


def _error_event(exc: Exception, request_id: str) -> bytes:
    return encode_unnamed(dumps({"error": openai_error_body(exc, request_id)}))
