"""What signatures say that tools return."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel

from insitu.tools import tool_of
from insitu.tools.returns import returned

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass
class Place:
    """Where something is."""

    name: str


class Model(BaseModel):
    """A model of Pydantic's."""

    name: str


class Named(TypedDict):
    """A dict whose keys are known."""

    name: str


def places() -> list[Place]:
    return []


def model() -> Model | None:
    return None


def named() -> dict[str, Named]:
    return {}


def pair() -> tuple[int, str]:
    return 1, ""


def numbers() -> Sequence[tuple[float, ...]]:
    return ()


def table() -> Mapping[str, set[date]]:
    return {}


def one() -> Literal["a", "b"]:
    return "a"


def ident() -> Annotated[uuid.UUID, "of a place"]:
    return uuid.UUID(int=1)


def nothing() -> None:
    pass


def anything() -> Any:
    pass


def opaque() -> object:
    return object()


async def later() -> bytes:
    return b""


def checked() -> Decimal:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (places, "list[dict]"),
        (model, "dict | None"),
        (named, "dict[str, dict]"),
        (pair, "list[int | str]"),
        (numbers, "list[list[float]]"),
        (table, "dict[str, set[date]]"),
        (one, "Literal['a', 'b']"),
        (ident, "UUID"),
        (nothing, "None"),
        (anything, "Any"),
        (opaque, "Any"),
        (later, "bytes"),
        (checked, ""),
        (lambda: 5, ""),
        (len, ""),
    ],
)
def test_annotations_as_what_arrives(function: Callable[..., Any], said: str) -> None:
    assert returned(function) == said


def test_it_is_in_what_code_is_told() -> None:
    assert tool_of(places).spec().declaration()["returns"] == "list[dict]"
    assert "returns" not in tool_of(checked).spec().declaration()
