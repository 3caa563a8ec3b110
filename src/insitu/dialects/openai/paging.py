"""Lists in parts, as OpenAI's clients ask for them and walk through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from openai.types.responses import ResponseIncludable
from pydantic import BaseModel, ConfigDict, Field

from ...store import Page
from ...web.shapes import Json

T = TypeVar("T")
Include = Annotated[
    list[ResponseIncludable] | None, Query(alias="include[]", description="what to show beside what always is")
]


class PageQuery(BaseModel):
    """Which part of a list is asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100, description="how many objects at the most")
    after: str | None = Field(None, max_length=256, description="the id of the object that the part begins behind")
    order: Literal["asc", "desc"] = Field("desc", description="by the time when they were made")

    @property
    def page(self) -> Page:
        """The part, as the store knows it."""
        return Page(self.limit, self.after, self.order)


class ListObject(BaseModel, Generic[T]):
    """A part of a list."""

    object: Literal["list"]
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """What is left of an object that was deleted."""

    id: str
    object: str
    deleted: bool


def listed(data: Sequence[Mapping[str, Any]], *, has_more: bool) -> Json:
    """A part of a list, as an object of its own."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}
