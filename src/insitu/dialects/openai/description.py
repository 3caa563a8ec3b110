"""Answers and errors of OpenAI's dialect, as the description at /openapi.json shows them."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel, Field

from ...web import openapi
from ...web.openapi import ERRORS, MALFORMED, Errors
from ...web.shapes import Json


class OpenAIErrorDetail(BaseModel):
    """What went wrong; what to do about it stands in the message."""

    message: str
    type: str = Field(description="the family, such as `invalid_request_error`")
    param: str | None = Field(description="the parameter at fault, if it is one")
    code: str = Field(description="what exactly, such as `previous_response_not_found`")
    request_id: str = Field(description="also in the header `x-request-id`, and in the server's log")


class OpenAIErrorBody(BaseModel):
    """An error as OpenAI's clients read it."""

    error: OpenAIErrorDetail


OPENAI = Errors({400: MALFORMED, **ERRORS}, OpenAIErrorBody)
OF_TURNS = Errors(
    {
        **OPENAI.statuses,
        501: "There is no model server behind this one.",
        502: "The model server failed, or cannot be reached.",
        504: "The model server was silent for too long.",
    },
    OpenAIErrorBody,
)

answers = partial(openapi.answers, errors=OPENAI)
answers_bytes = partial(openapi.answers_bytes, errors=OPENAI)


def answers_or_streams(errors: Errors = OPENAI) -> Json:
    """The answers of a route that gives a response, or the stream of its events."""
    declared = openapi.answers(None, text="The response, or the stream of its events.", errors=errors)
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": "OpenAI's events."}}}
    return declared
