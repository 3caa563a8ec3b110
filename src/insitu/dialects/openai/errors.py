"""Errors in OpenAI's form."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...errors import NotFound, UpstreamRefused
from ...web.encoding import dumps
from ...web.errors import error_answer, error_body, error_status


class RouteUnsupported(NotFound):
    """Raised for a route that OpenAI has and this server has not."""

    code = "unsupported"


class ItemMissing(NotFound):
    """Raised when an item of a conversation or of an input is not there."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"Item with id {item_id!r} not found.", hint="items of responses that are not stored are gone")


def openai_error(exc: Exception, request_id: str) -> Response:
    """An error as OpenAI's clients read it."""
    plain = error_answer(exc, request_id)
    headers = {name: value for name, value in plain.headers.items() if name not in ("content-length", "content-type")}
    if error_status(exc) in (500, 501, 508):
        # Code may have run, or there is no hope; and clients send again by themselves what these answer.
        headers["x-should-retry"] = "false"
    body = {"error": openai_error_body(exc, request_id)}
    return Response(dumps(body), _status(exc), headers, media_type="application/json")


def openai_error_body(exc: Exception, request_id: str) -> dict[str, Any]:
    """What is in the member ``error``."""
    error = error_body(exc, request_id)["error"]
    hint = error.pop("hint", None)
    if hint:
        error["message"] += f" ({hint})"
    return {**error, "param": getattr(exc, "param", None)}


def _status(exc: Exception) -> int:
    if isinstance(exc, UpstreamRefused):
        return exc.status
    status = error_status(exc)
    return 400 if status == 422 else status
