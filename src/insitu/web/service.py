"""What every route needs: the engine, the settings, and a way to work for a client that may leave."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from ..engine import Engine, Session
from ..errors import EngineClosed
from ..functions import Functions
from ..settings import Settings
from ..store import Store
from ..tools import Registry
from ..turn.turns import Turns, server_stopping
from .bodies import Bodies
from .errors import ClientGone, ServerStopped
from .metrics import Metrics

Value = TypeVar("Value")


@dataclass(eq=False)
class Service:
    """One server's parts, shared by its routes.

    Args:
        opened: the engine; None until the application has started.
        opened_turns: the turns, with the store and the connection to the model server; likewise.
        opened_functions: the functions; likewise.
        opened_tools: the tools; likewise.
        opened_tasks: what goes on as long as the server runs; likewise.
        id: by which the server knows requests again that it has passed on.
    """

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    bodies: Bodies = field(default_factory=Bodies)
    opened: Engine | None = None
    opened_turns: Turns | None = None
    opened_functions: Functions | None = None
    opened_tools: Registry | None = None
    opened_tasks: TaskGroup | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    _stopped: bool = False
    _scopes: set[anyio.CancelScope] = field(default_factory=set)
    _quiet: anyio.Event = field(default_factory=anyio.Event)

    @property
    def engine(self) -> Engine:
        """The running engine."""
        if self.opened is None:
            raise EngineClosed("the engine is not running: the application has not started")
        return self.opened

    @property
    def turns(self) -> Turns:
        """The running turns."""
        if self.opened_turns is None:
            raise EngineClosed("the turns are not running: the application has not started")
        return self.opened_turns

    @property
    def functions(self) -> Functions:
        """The functions, and what is called of them."""
        if self.opened_functions is None:
            raise EngineClosed("the functions are not there: the application has not started")
        return self.opened_functions

    @property
    def tools(self) -> Registry:
        """The tools that code can be granted."""
        if self.opened_tools is None:
            raise EngineClosed("the tools are not there: the application has not started")
        return self.opened_tools

    @property
    def tasks(self) -> TaskGroup:
        """Where a dialect runs what goes on as long as the server does; at the end it is cancelled."""
        if self.opened_tasks is None:
            raise EngineClosed("nothing can be started: the application has not started")
        return self.opened_tasks

    @property
    def store(self) -> Store:
        """What lasts."""
        return self.turns.store

    @property
    def ready(self) -> bool:
        """Whether sandboxes are ready and work is taken."""
        return self.engine.ready and self.turns.ready

    def check_taking(self) -> None:
        """Raise ServerFull if the server stops: the engine is still there for turns that run, and for nothing new."""
        if not self.turns.ready:
            raise server_stopping()

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
            ServerStopped: if the server stopped first.
        """
        # Caught inside the group, or the group would wrap it.
        failures: list[Exception] = []
        results: list[Value] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_disconnect, receive, group.cancel_scope)
            for other in beside:
                group.start_soon(other)
            self._scopes.add(group.cancel_scope)
            try:
                results.append(await work())
            except Exception as exc:
                failures.append(exc)
            finally:
                self._scopes.discard(group.cancel_scope)
                self._quiet.set()
            group.cancel_scope.cancel()
        if failures:
            raise failures.pop()  # out of this frame, which is in its traceback: they would hold each other
        if not results:
            raise ServerStopped if self._stopped else ClientGone
        return results[0]

    async def answered(self) -> None:
        """Wait until no client waits for anything."""
        while self._scopes:
            self._quiet = anyio.Event()
            await self._quiet.wait()

    def cancel_all(self) -> None:
        """End what still runs, for a server whose grace is over."""
        self._stopped = True
        for scope in list(self._scopes):
            scope.cancel()


class PlainRoute(APIRoute):
    """A route that FastAPI describes and otherwise leaves alone.

    Its endpoint takes the request and what the path names, and validates by itself: half the way to the engine.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, without dependencies to solve."""
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            answer: Response = await endpoint(request, **request.path_params)
            return answer

        return handle


def owner_of(request: Request) -> str:
    """The owner that the gate found for this request."""
    owner: str = request.scope["insitu.owner"]
    return owner


def request_id_of(request: Request) -> str:
    """The id that the gate has given this request."""
    request_id: str = request.scope["insitu.request_id"]
    return request_id


def key_of(request: Request) -> str:
    """The key that the gate found in this request; "" without one."""
    key: str = request.scope["insitu.key"]
    return key


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
