"""Errors in OpenAI's form."""

from __future__ import annotations

from starlette.responses import Response

from ...errors import NotFound, UpstreamRefused
from ...web.errors import Described, described
from ...web.shapes import Json


class ItemMissing(NotFound):
    """Raised when an item of a conversation or of an input is not there."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"Item with id {item_id!r} not found.", hint="items of responses that are not stored are gone")


def openai_error(exc: Exception, request_id: str) -> Response:
    """An error as OpenAI's clients read it."""
    told = described(exc, request_id)
    # OpenAI has no 422; what the model server refuses goes on as it is.
    status = 400 if told.status == 422 and not isinstance(exc, UpstreamRefused) else told.status
    return told.answer({"error": openai_error_body(exc, request_id)}, status)


def openai_error_body(exc: Exception, request_id: str) -> Json:
    """What is in the member ``error``."""
    told = described(exc, request_id)
    named = {"type": told.kind, "code": told.code, "message": told.text}
    return {**named, "request_id": request_id, "param": getattr(exc, "param", None)}


def error_of(told: Described) -> Json:
    """What a response that has failed says of it; clients know few codes."""
    return {"code": "server_error", "message": told.text}
