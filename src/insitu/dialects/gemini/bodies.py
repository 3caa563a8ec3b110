"""Bodies of requests in Google's form."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from ...web.parameters import BadParameter
from ...web.service import Service
from ...web.shapes import Json
from ...web.wire import INLINE_BYTES, read_bytes

# What model servers are sent holds a body's values somewhat deeper, and no encoder takes more than 254 levels.
_MOST_DEPTH = 200
_ROOM = 254 - _MOST_DEPTH


async def read_object(service: Service, request: Request, cap: int = INLINE_BYTES) -> Json:
    """The body, which is an object.

    Raises:
        BadParameter: if it is none, or is nested too deep.
        TooLarge: if it has more than ``cap`` bytes and those of a large piece of code.
    """
    content = await read_bytes(request, min(service.settings.upload_bytes, service.settings.code_bytes + cap))
    try:
        body: Any = orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise BadParameter("body", f"the body is not valid JSON: {exc}") from None
    if not isinstance(body, dict):
        raise BadParameter("body", "the body must be a JSON object")
    if content.count(b"{") + content.count(b"[") > _MOST_DEPTH:
        _refuse_depth(body)
    return body


def _refuse_depth(body: Any) -> None:
    for _ in range(_ROOM):
        body = [body]
    try:
        orjson.dumps(body)
    except orjson.JSONEncodeError:
        raise BadParameter("body", f"the body is nested deeper than {_MOST_DEPTH} levels") from None
