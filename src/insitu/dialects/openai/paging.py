"""Lists as OpenAI pages them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def listed(page: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """One page of a list; clients ask for the next by its last id."""
    return {
        "object": "list",
        "data": list(page),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": has_more,
    }
