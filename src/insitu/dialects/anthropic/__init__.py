"""Anthropic's API: messages, and on the paths that it shares with OpenAI's its own files and models."""

from __future__ import annotations

from ...web.dialect import Dialect, joined
from . import files, models, routes
from .asked import CountTokens, CreateMessage
from .errors import anthropic_error
from .speaking import speaks

ANTHROPIC = Dialect(
    "anthropic",
    joined(routes, files, models),
    bodies=(CreateMessage, CountTokens),
    paths=("/v1/messages",),
    shared=("/v1/files", "/v1/models", "/v1/skills"),
    speaks=speaks,
    error_answer=anthropic_error,
    request_id_header="request-id",
    clients="Anthropic's clients",
    key_hint="send `X-API-Key: KEY`, or `Authorization: Bearer KEY`",
)
