"""Answers and errors of Anthropic's dialect, as the description at /openapi.json shows them."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import BaseModel, Field

from ...web import openapi
from ...web.openapi import ERRORS, MALFORMED, Errors
from ...web.shapes import Json


class AnthropicErrorDetails(BaseModel):
    """What went wrong, for programs."""

    error_code: str = Field(description="what exactly, such as `container_expired`")


class AnthropicErrorDetail(BaseModel):
    """What went wrong; what to do about it stands in the message."""

    type: str = Field(description="the family, such as `invalid_request_error`")
    message: str
    details: AnthropicErrorDetails


class AnthropicErrorBody(BaseModel):
    """An error as Anthropic's clients read it."""

    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str = Field(description="also in the header `request-id`, and in the server's log")


class TokenCount(BaseModel):
    """How many tokens messages have."""

    input_tokens: int = Field(description="with those of the system prompt and of the tools")


_STATUSES = {status: text for status, text in ERRORS.items() if status != 503}
ERRORS_OF_TURNS = Errors(
    {
        400: MALFORMED,
        **_STATUSES,
        424: "The turn failed after code had run, which would run again if this were sent again.",
        501: "There is no model server behind this one.",
        502: "The model server failed, or cannot be reached.",
        504: "The model server was silent for too long.",
        529: "The server is full or stopping; see `Retry-After`.",
    },
    AnthropicErrorBody,
)

answers = partial(openapi.answers, errors=ERRORS_OF_TURNS)


def answers_or_streams() -> Json:
    """The answers of a route that gives a message, or the stream of its events."""
    declared = answers(None, text="The message, or the stream of its events.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": "Anthropic's events."}}}
    return declared
