"""Bytes in and out: request bodies under a cap, and JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar

import anyio
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from ..errors import TooLarge
from ..turn.turns import server_stopping
from .bodies import OWNER_BYTES, Body
from .encoding import dumps
from .errors import BodyStalled, ClientGone, invalid_request
from .weighing import weigh

Model = TypeVar("Model", bound=BaseModel)

# A body that only describes something has no business being larger.
DESCRIPTION_BYTES = 1 << 20
INLINE_BYTES = 32 << 20
STALL_S = 60.0
_FILES_ROUTE = "large files go to PUT /v1/sessions/{id}/files/{path}"
# What becomes no more counts by its length alone: small bodies get in however full it is.
_LIGHT_BYTES = 1 << 20


async def read_json(
    request: Request, model: type[Model], cap: int, elsewhere: Mapping[str, str] | None = None
) -> Model:
    """The body as the model; an empty body is an empty object.

    Args:
        elsewhere: what is told of fields that callers look for where they are not.

    Raises:
        InvalidRequest: if it is not JSON, or not what the model says.
        TooLarge: if it has more than ``cap`` bytes.
    """
    body = await read_bytes(request, cap)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as exc:
        # What was wrong is repeated in the message only where it is small.
        raise invalid_request(exc, elsewhere=elsewhere, shown=len(body) <= 64 * 1024) from None


async def read_bytes(request: Request, cap: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: if it has more than ``cap`` bytes, or what its JSON becomes takes too much memory.
        ServerFull: if other requests hold too many already.
    """
    content = await _collect(request, cap)
    weight = weigh(content)
    if weight > OWNER_BYTES:
        raise TooLarge(
            f"the body's JSON can take {weight} bytes of memory, for it has many small values; {OWNER_BYTES} is the "
            "most",
            hint=f"send fewer at once, or as a text; {_FILES_ROUTE}",
        )
    if weight > _LIGHT_BYTES:
        body_of(request).grow(weight)
    return content


def body_of(request: Request) -> Body:
    """What a request holds in memory."""
    body: Body = request.scope["insitu.body"]
    return body


async def _collect(request: Request, cap: int) -> bytes:
    refuse_length(request, cap)
    body = body_of(request)
    chunks: list[bytes] = []
    size = 0
    async for chunk in body_chunks(request):
        size += len(chunk)
        if size > cap:
            raise _too_large(f"more than {cap} bytes", cap)
        body.grow(size)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def body_chunks(request: Request) -> AsyncGenerator[bytes]:
    """The body as it comes.

    Raises:
        BodyStalled: if nothing of it comes for a minute.
        ClientGone: if the client goes away before the end.
        ServerFull: if the server stops before the end.
    """
    while True:
        message = await _next(request)
        if message["type"] == "http.disconnect":
            raise ClientGone
        if chunk := message.get("body"):
            yield chunk
        if not message.get("more_body"):
            return


async def _next(request: Request) -> Message:
    bodies = body_of(request).bodies
    with bodies.waiting(anyio.current_time() + STALL_S) as scope:
        message = await request.receive()
    if not scope.cancelled_caught:
        return message
    if bodies.cut_off:
        raise server_stopping()
    raise BodyStalled(f"no byte of the body came for {STALL_S:g} s")


def refuse_length(request: Request, cap: int, hint: str = _FILES_ROUTE) -> None:
    """Refuse a body that says of itself that it is over the cap, before a byte of it is read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > cap:
        raise _too_large(f"{length} bytes", cap, hint)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, by the fast path past the framework's own encoder."""
    return Response(dumps(value), status, headers, media_type="application/json")


def _too_large(size: str, cap: int, hint: str = _FILES_ROUTE) -> TooLarge:
    return TooLarge(f"the body has {size}; this route takes {cap}", hint=hint)
