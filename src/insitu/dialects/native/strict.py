"""Bodies of which nothing is passed over."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A body in which nothing is ignored and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)
