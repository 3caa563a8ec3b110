"""What no route here answers: the model server may have it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ...web.dialect import Dialect
from ...web.misplaced import ends_twice, meant, owner_of_path
from ...web.passthrough import ROOT, PassThrough
from ...web.service import Service

# What OpenAI has and the model server may have. Anything else goes there as well; of these it is known whose they are.
AT_THE_MODEL_SERVER = (
    "/v1/audio",
    "/v1/batches",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/fine_tuning",
    "/v1/images",
    "/v1/moderations",
    "/v1/uploads",
    "/v1/vector_stores",
    "/v1/videos",
)


class Elsewhere:
    """Asks the model server for embeddings, images and whatever else begins with /v1/ and has no route.

    A path that has a route never comes here, whatever the method: that is answered with 405.

    Args:
        not_found: answers the rest.
        own: the dialect of the model server.
        dialects: all; what is another's is not for the model server, with a route or without.
    """

    def __init__(self, service: Service, not_found: ASGIApp, own: Dialect, dialects: Sequence[Dialect]) -> None:
        self._service = service
        self._not_found = not_found
        self._own = own
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (found := meant(self._dialects, scope)) is not None:
            raise found.error(Request(scope))
        if not self._has(scope):
            await self._not_found(scope, receive, send)
            return
        scope["insitu.error_answer"] = self._own.error_answer
        await PassThrough(self._service, Request(scope, receive))(scope, receive, send)

    def _has(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and bool(self._service.settings.upstream)
            and scope["path"].startswith(ROOT.decode())
            and not ends_twice(scope["path"])
            and owner_of_path(self._dialects, scope) in (None, self._own)
        )
