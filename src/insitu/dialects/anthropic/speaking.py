"""Whether a request is meant for this dialect, where OpenAI's has the same path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...web.dialect import shared_route


def speaks(scope: Mapping[str, Any]) -> bool:
    """Whether a request says which version of Anthropic's API it wants, as all of its clients do."""
    return any(name == b"anthropic-version" for name, _ in scope["headers"])


SharedRoute = shared_route(speaks)
