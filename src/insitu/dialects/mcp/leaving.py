"""Calls of tools end when their client has left.

By the newer protocol the SDK sees to that. By the older one a client may come back for what it has missed, if the
server keeps that for it. This one keeps nothing, and has no stream to come back to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from starlette.requests import Request
from starlette.types import Scope

from ...errors import InvalidRequest

_CALL = "insitu.mcp.call"


@contextmanager
def ending_with(scope: Scope) -> Iterator[None]:
    """The block answers an HTTP request; when it is over, so is the call of a tool that the request has made."""
    call = scope[_CALL] = anyio.CancelScope()
    try:
        yield
    finally:
        call.cancel()


@contextmanager
def while_there(request: Request | None) -> Iterator[None]:
    """The block is cancelled when the client has left.

    Args:
        request: None for a client at a pipe, with which everything ends.

    Raises:
        InvalidRequest: if it was, which nobody hears any more.
    """
    if request is None:
        yield
        return
    with request.scope[_CALL] as call:
        yield
    if call.cancelled_caught:
        raise InvalidRequest("the client has left")
