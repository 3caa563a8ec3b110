"""Requests for a path that is not there: which one they mean, and what base URL leads there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ..errors import NotFound
from .dialect import Dialect

# What base URLs end in: no path of a dialect, or of a model server, has such a part below another.
_ENDINGS = frozenset({"v1", "v1alpha", "v1beta", "mcp"})
_VERSION = "/v1"
_MOST_PARTS = 4
_MOST_SHOWN = 200


class Misplaced(NotFound):
    """Raised for a path that is not there where another one is."""

    code = "route_not_found"


@dataclass(frozen=True, slots=True)
class Meant:
    """What a request for a path that is not there was meant for.

    Args:
        path: the one that is there.
        extra: with what its own begins and should not.
    """

    dialect: Dialect
    path: str
    extra: str

    def error(self, request: Request) -> Misplaced:
        """Says what is wrong with the client's base URL."""
        dialect = self.dialect
        url = f"{request.base_url}".rstrip("/")[:_MOST_SHOWN] + dialect.base
        how = f"ends in {dialect.base}" if dialect.base else f"has no {self.extra}" if self.extra else "has no path"
        there, here = (path[:_MOST_SHOWN] for path in (request.scope["path"], self.path))
        return Misplaced(f"{there} is not here, but {here}: the base URL of {dialect.clients} {how}: {url}")


def ends_twice(path: str) -> bool:
    """Whether a path of the model server's begins with what a base URL ends in."""
    return path.split("/", 3)[2] in _ENDINGS


def spoken(dialects: Sequence[Dialect], scope: Mapping[str, Any]) -> Dialect | None:
    """The dialect that a request is spoken in, if its path belongs to any; its base URL may be wrong."""
    if (owner := owner_of_path(dialects, scope)) is not None:
        return owner
    found = meant(dialects, scope)
    return found.dialect if found else None


def owner_of_path(dialects: Sequence[Dialect], scope: Mapping[str, Any]) -> Dialect | None:
    """The dialect whose path it is."""
    return next((each for each in dialects if each.owns(scope)), None)


def meant(dialects: Sequence[Dialect], scope: Mapping[str, Any]) -> Meant | None:
    """The path of a dialect that another one ends in, if there is one; without its version, too."""
    path = scope["path"]
    owned = owner_of_path(dialects, scope) is not None
    for extra, rest in _endings(path, anywhere=not owned and not path.startswith(f"{_VERSION}/")):
        for right in (rest,) if owned else (rest, f"{_VERSION}{rest}"):
            there = {**scope, "path": right}
            for each in dialects:
                there["path"] = each.path_of(there)
            dialect = owner_of_path(dialects, there)
            if dialect is not None and path not in (right, there["path"]):
                return Meant(dialect, right, extra)
    return None


def _endings(path: str, *, anywhere: bool) -> Iterator[tuple[str, str]]:
    """How a path can be parted: behind what base URLs end in, or behind any part."""
    extra, rest = "", path
    for _ in range(_MOST_PARTS):
        yield extra, rest
        part, _, below = rest[1:].partition("/")
        if not below or not (anywhere or part in _ENDINGS):
            return
        extra, rest = f"{extra}/{part}", f"/{below}"
