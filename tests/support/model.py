"""A chat-completions server that answers by a script, on a real socket and in a thread of its own.

It decides nothing: each request gets the script's next step. See `steps` for what a step can be.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import anyio
from anyio import from_thread, to_thread
from anyio.abc import SocketAttribute, SocketStream

from tests.support.completions import CREATED, Completion, Event
from tests.support.connection import Connection, Request
from tests.support.steps import Json as Json
from tests.support.steps import Step as Step
from tests.support.steps import broken as broken
from tests.support.steps import call as call
from tests.support.steps import encode, error
from tests.support.steps import fail as fail
from tests.support.steps import garbage as garbage
from tests.support.steps import hang as hang
from tests.support.steps import reason as reason
from tests.support.steps import say as say
from tests.support.steps import unfinished as unfinished
from tests.support.steps import until as until

_PATIENCE_S = 20
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream; charset=utf-8"}
# Clients that try again would only hide which request it was.
_FINAL = {"x-should-retry": "false"}


@dataclass(slots=True)
class Received:
    """A request as it came.

    Args:
        path: with its query.
        headers: with names in lower case.
        body: the JSON; the bytes where they are none.
        answered: whether all of the answer was sent.
        closed: set once the client has closed the connection that the request came on.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    answered: bool = False
    closed: threading.Event = field(default_factory=threading.Event)


class ScriptedModel:
    """The server; it lives as long as the ``with`` block.

    Args:
        port: to listen on; 0: any that is free.
        first_token_s: seconds until the first event of an answer.
        tokens_per_s: at which the other events come; None: at once.
        piece: characters of an event.
        refuses: parameters that a request may not have: 400. Such a request takes no step.
        whole_calls: as of `call`, for all steps.
        no_ids: as of `call`, for all steps.
        keeps_connections: whether a client can ask again on the same one.
        models: the names of the models that it lists.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        first_token_s: float = 0,
        tokens_per_s: float | None = None,
        piece: int = 8,
        refuses: Collection[str] = (),
        whole_calls: bool = False,
        no_ids: bool = False,
        keeps_connections: bool = True,
        models: Sequence[str] = ("scripted",),
    ) -> None:
        self.requests: list[Received] = []
        self._port = port
        self._first_token_s = first_token_s
        self._token_s = 1 / tokens_per_s if tokens_per_s else 0
        self._piece = piece
        self._refuses = refuses
        self._whole_calls = whole_calls
        self._no_ids = no_ids
        self._keeps_connections = keeps_connections
        self._models = models
        self._steps: deque[Step | Callable[[Json], Step]] = deque()
        self._given = 0
        self._completions = itertools.count(1)
        self._calls = itertools.count(1)
        self._arrival = threading.Condition()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(from_thread.start_blocking_portal())
            self._port = stack.enter_context(portal.wrap_async_context_manager(self._listening()))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, *steps: Step | Callable[[Json], Step]) -> None:
        """Add the answers to the next requests for a completion, in order; a function gets the request's body."""
        self._given += len(steps)
        self._steps.extend(steps)

    @property
    def left(self) -> int:
        """How many steps no request has taken yet."""
        return len(self._steps)

    def forget(self) -> None:
        """Start afresh: nothing is scripted, and no request has come."""
        self._steps.clear()
        self.requests.clear()

    async def wait_received(self, n: int) -> Received:
        """``requests[n]``, as soon as it is there.

        Raises:
            TimeoutError: after 20 seconds.
        """
        return await to_thread.run_sync(self._wait_received, n)

    async def wait_closed(self, n: int) -> None:
        """Return once the client of ``requests[n]`` has closed its connection.

        Raises:
            TimeoutError: after 20 seconds.
        """
        received = await self.wait_received(n)
        if not await to_thread.run_sync(received.closed.wait, _PATIENCE_S):
            raise TimeoutError(f"the client of request {n} still holds its connection")

    def _wait_received(self, n: int) -> Received:
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self.requests) > n, _PATIENCE_S):
                raise TimeoutError(f"only {len(self.requests)} requests came, and none of number {n}")
        return self.requests[n]

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[int]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self._port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._serve)
            yield listener.extra(SocketAttribute.local_port)
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: SocketStream) -> None:
        mine: list[Received] = []
        async with stream:
            connection = Connection(stream, last=not self._keeps_connections)
            while request := await connection.request():
                received = self._receive(request)
                mine.append(received)
                await connection.run(partial(self._answer, connection, received))
                received.answered = connection.answered
        if connection.client_gone:
            for received in mine:
                received.closed.set()

    def _receive(self, request: Request) -> Received:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = request.body
        received = Received(request.method, request.path, request.headers, body, request.body)
        with self._arrival:
            self.requests.append(received)
            self._arrival.notify_all()
        return received

    async def _answer(self, connection: Connection, received: Received) -> None:
        match received.method, received.path.partition("?")[0]:
            case "POST", "/v1/chat/completions":
                await self._complete(connection, received.body)
            case "GET", "/v1/models":
                about = {"object": "model", "created": CREATED, "owned_by": "tests"}
                listed = {"object": "list", "data": [{"id": name, **about} for name in self._models]}
                await connection.respond(200, _JSON, encode(listed))
            case "POST", path if path.startswith("/v1/"):
                kind = received.headers.get("content-type", "application/octet-stream")
                await connection.respond(200, {"content-type": kind, "x-echo-path": received.path}, received.raw)
            case _:
                what = f"There is no {received.method} {received.path}."
                await connection.respond(404, _JSON, encode(error(what, "invalid_request_error")))

    async def _complete(self, connection: Connection, body: Any) -> None:
        if not isinstance(body, dict):
            refusal = error("The body is no JSON object.", "invalid_request_error")
        elif refused := next((name for name in self._refuses if name in body), None):
            what = f"Unknown parameter: '{refused}'."
            refusal = error(what, "invalid_request_error", param=refused, code="unknown_parameter")
        else:
            await self._give(connection, self._next(body), body)
            return
        await connection.respond(400, _JSON, encode(refusal))

    def _next(self, body: Json) -> Step:
        if not self._steps:
            what = f"The script is used up: all of its {self._given} steps have been taken."
            return fail(500, error(what, "server_error"), _FINAL)
        step = self._steps.popleft()
        if isinstance(step, Step):
            return step
        try:
            return step(body)
        except Exception as problem:
            return fail(500, error(f"A function of the script failed: {problem!r}", "server_error"), _FINAL)

    async def _give(self, connection: Connection, step: Step, body: Json) -> None:
        completion = self._completion(step, body)
        if step.ending in {"broken", "hang"} and step.after is None:
            pass
        elif step.status == 200 and body.get("stream"):
            await self._stream(connection, step, completion)
        else:
            await self._send(connection, step, completion)
        if step.ending == "hang":
            await anyio.sleep_forever()
        elif step.ending != "broken":
            await connection.end()

    async def _stream(self, connection: Connection, step: Step, completion: Completion) -> None:
        start = anyio.current_time() + self._first_token_s
        await connection.start(step.status, {**_EVENTS, **step.headers})
        for event in completion.events() if step.raw is None else [Event(0, step.raw)][: step.after]:
            await anyio.sleep_until(start + self._token_s * event.tokens)
            await connection.send(event.data)

    async def _send(self, connection: Connection, step: Step, completion: Completion) -> None:
        raw = completion.whole() if step.raw is None else step.raw
        if step.raw is None:
            await anyio.sleep(self._first_token_s + self._token_s * completion.tokens())
        await connection.start(step.status, {**_JSON, **step.headers, "content-length": str(len(raw))})
        await connection.send(raw[: len(raw) // 2] if step.ending in {"broken", "hang"} else raw)

    def _completion(self, step: Step, body: Json) -> Completion:
        ids = [made.id or f"call_{next(self._calls)}" for made in step.calls]
        step = replace(
            step,
            whole_calls=step.whole_calls or self._whole_calls,
            no_ids=step.no_ids or self._no_ids,
        )
        return Completion(step, body, f"chatcmpl-{next(self._completions)}", ids, self._piece)
