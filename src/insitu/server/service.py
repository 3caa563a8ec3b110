"""What every route needs: the engine, settings and keys, and a way to work for a client that may leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from starlette.requests import Request
from starlette.types import Receive

from ..engine import Engine, Session
from ..errors import EngineClosed
from ..settings import Settings
from .auth import Keys
from .errors import ClientGone
from .metrics import Metrics

Value = TypeVar("Value")


@dataclass(eq=False)
class Service:
    """One server's parts, shared by its routes.

    Args:
        engine: None until the application has started.
        draining: whether the server is on its way out and takes nothing new.
    """

    settings: Settings
    keys: Keys
    metrics: Metrics = field(default_factory=Metrics)
    opened: Engine | None = None
    draining: bool = False
    _scopes: set[anyio.CancelScope] = field(default_factory=set)

    @property
    def engine(self) -> Engine:
        """The running engine."""
        if self.opened is None:
            raise EngineClosed("the engine is not running: the application has not started")
        return self.opened

    def session(self, request: Request, session_id: str) -> Session:
        """The caller's own session of this id."""
        return self.engine.session(session_id, owner=owner_of(request))

    async def while_connected(
        self,
        receive: Receive,
        work: Callable[[], Awaitable[Value]],
        *beside: Callable[[], Coroutine[None, None, None]],
    ) -> Value:
        """Await the work, and cancel it when the client goes away or the server's last grace is over.

        Args:
            beside: what else runs meanwhile, and ends with the work.

        Raises:
            ClientGone: if the client went away first.
            EngineClosed: if the server stopped first.
        """
        # Caught inside the group, or the group would wrap it.
        failure: Exception | None = None
        results: list[Value] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_disconnect, receive, group.cancel_scope)
            for other in beside:
                group.start_soon(other)
            self._scopes.add(group.cancel_scope)
            try:
                results.append(await work())
            except Exception as exc:
                failure = exc
            finally:
                self._scopes.discard(group.cancel_scope)
            group.cancel_scope.cancel()
        if failure:
            raise failure
        if not results:
            raise _stopped() if self.draining else ClientGone
        return results[0]

    def cancel_all(self) -> None:
        """End what still runs, for a server whose grace is over."""
        self.draining = True
        for scope in list(self._scopes):
            scope.cancel()


def owner_of(request: Request) -> str:
    """The owner that the gate found for this request."""
    owner: str = request.scope["insitu.owner"]
    return owner


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _stopped() -> EngineClosed:
    return EngineClosed(
        "the server stopped before the code ended", hint="the code ran in part; send it again if that is safe"
    )
