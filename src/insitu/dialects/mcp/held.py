"""What a call of a tool holds in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from ...web.bodies import HELD_BYTES
from ...web.holding import weight
from ...web.wire import body_of


@contextmanager
def held(request: Request | None, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Count the arguments as long as they are worked on: by the older protocol, that can be after the request.

    Args:
        request: None for a client at a pipe, whose sandboxes are its own.

    Raises:
        ServerFull: if there is no room for them.
    """
    if request is None:
        yield
        return
    body = body_of(request).hand_over()
    try:
        # The request may be over already, and have held nothing any more.
        body.grow(max(body.size, weight(arguments, HELD_BYTES)))
        yield
    finally:
        body.let_go()
