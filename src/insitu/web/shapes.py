"""Shapes that bodies of several routes have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from ..turn.events import ToolCalled

Json = dict[str, Any]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16, fail_fast=True),
]


def tool_called(event: ToolCalled) -> Json:
    """A call that code has made."""
    return {"call_id": event.call_id, "name": event.name, "arguments": event.arguments}


def moment(seconds: float) -> str:
    """A time, given in seconds since the epoch, as RFC 3339 has it."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
