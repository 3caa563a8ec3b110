"""Google's generateContent and streamGenerateContent."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...web import turns
from ...web.openapi import answers_elsewhere, takes_object
from ...web.parameters import BadParameter
from ...web.service import PlainRoute, Service, owner_of
from ...web.shapes import Json
from ...web.wire import json_answer
from .answer import ContentAnswer
from .asked import GenerateContent
from .bodies import read_object
from .casing import member
from .errors import gemini_error_body
from .made import made_parts
from .preparing import PreparedContent, prepare
from .stream import ContentStream, encoded

# The official client takes a comment for JSON; an empty text is passed over by all.
_SILENCE: list[Json] = [{"text": ""}]


def routes(service: Service) -> APIRouter:
    """The routes that generate content."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1beta/models", tags=["gemini"])

    @router.post("/{model:path}:generateContent", openapi_extra=takes_object(), **answers_elsewhere())
    async def generate_content(request: Request, model: str) -> Response:
        """Answer contents; with the tool `codeExecution` the code that the model writes is run on the way."""
        prepared, answer = await _prepared(service, request, model)
        parts: list[Json] = []
        run = partial(service.turns.run, prepared.turn)
        result = await turns.whole(service, request, run, lambda event: parts.extend(answer.parts(event)))
        parts += await made_parts(service, owner_of(request), answer)
        return json_answer(answer.whole(parts, result))

    @router.post("/{model:path}:streamGenerateContent", openapi_extra=takes_object(), **answers_elsewhere())
    async def stream_generate_content(request: Request, model: str) -> Response:
        """The same as a stream of envelopes."""
        if request.query_params.get("alt") != "sse":
            raise BadParameter("alt", "streams are server-sent events here: ask with ?alt=sse, as Google's clients do")
        return _stream(service, request, *await _prepared(service, request, model))

    @router.post("/{model:path}:countTokens", openapi_extra=takes_object(), **answers_elsewhere())
    async def count_tokens(request: Request, model: str) -> Response:
        """How many tokens contents have, by the model server's own count."""
        body = await read_object(service, request)
        within = member(body, "generate_content_request") or body
        if not isinstance(within, dict):
            raise BadParameter("generateContentRequest", "generateContentRequest must be an object")
        prepared = await turns.prepared(service, request, prepare, GenerateContent.read(model, within))
        count = partial(service.turns.count_tokens, prepared.turn)
        return json_answer({"totalTokens": await turns.in_room(service, request, count)})

    return router


async def _prepared(service: Service, request: Request, model: str) -> tuple[PreparedContent, ContentAnswer]:
    asked = GenerateContent.read(model, await read_object(service, request))
    prepared = await turns.prepared(service, request, prepare, asked)
    return prepared, ContentAnswer(model, shows_thoughts=prepared.shows_thoughts)


def _stream(service: Service, request: Request, prepared: PreparedContent, answer: ContentAnswer) -> Response:
    run = partial(service.turns.run, prepared.turn)
    teller = partial(ContentStream, answer, partial(made_parts, service, owner_of(request)))
    silence = encoded(answer.envelope(_SILENCE))
    return turns.stream(service, request, answer.id, run, teller, on_error=_error_event, keep_alive=silence)


def _error_event(exc: Exception, request_id: str) -> bytes:
    return encoded({"error": gemini_error_body(exc, request_id)})
