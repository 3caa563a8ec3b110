"""What a dialect is to the server: routes, and how it says that something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from .errors import error_answer
from .service import Service

Speaks = Callable[[Mapping[str, Any]], bool]
KEY_HINT = "send `Authorization: Bearer KEY` or `X-API-Key: KEY`"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire API.

    Args:
        routes: makes its routes.
        bodies: the models of the bodies that its routes read by hand, for the description.
        paths: the beginnings of the paths whose errors it answers, those of unknown keys too.
        shared: such beginnings that another dialect has as well; its routes there are of a :func:`shared_route`.
        speaks: whether a request to a path that is shared, or of another spelling, is meant for this one.
        spellings: other beginnings of its paths, by the one whose routes answer a request that speaks it.
        linked: whether a request needs no key, as its address names what nobody can guess; its route finds the owner.
        error_answer: its own form of an error, for an exception and the request's id.
        request_id_header: the header that its clients read the request's id from.
        clients: what its clients are called.
        base: what their base URLs end in.
        key_hint: how they send a key.
    """

    name: str
    routes: Callable[[Service], APIRouter]
    bodies: tuple[type[BaseModel], ...] = ()
    paths: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    speaks: Speaks = lambda scope: False
    spellings: Mapping[str, str] = field(default_factory=dict)
    linked: Speaks = lambda scope: False
    error_answer: Callable[[Exception, str], Response] = error_answer
    request_id_header: str = "x-request-id"
    clients: str = "insitu's clients"
    base: str = ""
    key_hint: str = KEY_HINT

    def owns(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is spoken in this dialect."""
        path = scope["path"]
        return _is_under(path, self.paths) or (_is_under(path, self.shared) and self.speaks(scope))

    def path_of(self, scope: Mapping[str, Any]) -> str:
        """The path whose route answers a request; its own where this dialect has no other spelling of it."""
        path: str = scope["path"]
        for other, beginning in self.spellings.items():
            if _is_under(path, (other,)) and self.speaks(scope):
                return beginning + path[len(other) :]
        return path


class Part(Protocol):
    """A module that has some of a dialect's routes."""

    @property
    def routes(self) -> Callable[[Service], APIRouter]:
        """Makes them."""


def joined(*parts: Part) -> Callable[[Service], APIRouter]:
    """What makes the routes of all of these modules, in this order."""

    def routes(service: Service) -> APIRouter:
        router = APIRouter()
        for part in parts:
            router.include_router(part.routes(service))
        return router

    return routes


def sends(header: bytes) -> Speaks:
    """Whether a request has a header that the clients of one dialect send."""
    return lambda scope: any(name == header for name, _ in scope["headers"])


def shared_route(speaks: Speaks) -> type[APIRoute]:
    """The class of routes that are there for one dialect alone, on paths that another has too."""

    class SharedRoute(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            found = super().matches(scope)
            # The path is asked first: it sorts out nearly all requests, and costs less.
            return found if found[0] is Match.NONE or speaks(scope) else (Match.NONE, {})

    return SharedRoute


def _is_under(path: str, beginnings: tuple[str, ...]) -> bool:
    return any(path == beginning or path.startswith(f"{beginning}/") for beginning in beginnings)
