"""Whether a request is meant for this dialect, where OpenAI's has the same path."""

from __future__ import annotations

from ...web.dialect import sends, shared_route

# Which version of the API it wants, all of Anthropic's clients say.
speaks = sends(b"anthropic-version")

SharedRoute = shared_route(speaks)
