"""What a dialect is to the server: routes, and how it says that something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from .errors import error_answer
from .service import Service


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire API.

    Args:
        routes: makes its routes.
        bodies: the models of the bodies that its routes read by hand, for the description.
        paths: the beginnings of the paths whose errors it answers, those of unknown keys too.
        error_answer: its own form of an error, for an exception and the request's id.
    """

    name: str
    routes: Callable[[Service], APIRouter]
    bodies: tuple[type[BaseModel], ...] = ()
    paths: tuple[str, ...] = ()
    error_answer: Callable[[Exception, str], Response] = error_answer

    def owns(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is spoken in this dialect."""
        return any(scope["path"] == path or scope["path"].startswith(f"{path}/") for path in self.paths)
