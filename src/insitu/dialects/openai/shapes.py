"""Shapes that bodies of several routes have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

Json = dict[str, Any]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]
