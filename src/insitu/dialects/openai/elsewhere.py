"""What no route here answers: the model server may have it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ...web.dialect import Dialect
from ...web.passthrough import ROOT, PassThrough
from ...web.service import Service
from .errors import openai_error


class Elsewhere:
    """Asks the model server for embeddings, images and whatever else begins with /v1/ and has no route.

    A path that has a route never comes here, whatever the method: that is answered with 405.

    Args:
        not_found: answers the rest.
        others: the dialects whose paths are not for the model server, with a route or without.
    """

    def __init__(self, service: Service, not_found: ASGIApp, others: Sequence[Dialect]) -> None:
        self._service = service
        self._not_found = not_found
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._has(scope):
            await self._not_found(scope, receive, send)
            return
        scope["insitu.error_answer"] = openai_error
        await PassThrough(self._service, Request(scope, receive))(scope, receive, send)

    def _has(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and bool(self._service.settings.upstream)
            and scope["path"].startswith(ROOT.decode())
            and not any(dialect.owns(scope) for dialect in self._others)
        )
