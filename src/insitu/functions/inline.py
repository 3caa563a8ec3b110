"""Inline lambdas: a function that comes with its call, once or for many inputs side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from ..engine import Call, Engine, Session
from ..errors import InsituError, QuotaExceeded, SandboxFailed, ServerFull, SessionNotFound
from ..guest.values import MIME
from ..types import CallResult, CodeError, Limits
from .arguments import Inputs

# Where others take up the room, an input waits for it so long.
_PATIENCE_S = 60.0
_CLOSE_S = 10.0

Tell = Callable[[CallResult], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function, and where it is to run.

    Args:
        source: a lambda, or code that ends in a function.
        session: where; None for a fresh sandbox, which the options after it are for.
        timeout_s: wall time of each call, in seconds.
    """

    source: str
    owner: str
    session: Session | None = None
    timeout_s: float | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    tier: str | None = None
    limits: Limits | None = None

    async def call(self, engine: Engine, given: bytes) -> CallResult:
        """Call it; cancelling this interrupts it.

        Args:
            given: what ``arguments()`` has made.

        Raises:
            InsituError: if it could not be carried out; whatever the function does is in the value.
        """
        place: dict[str, Any] = {"environment": self.environment, "tier": self.tier, "limits": self.limits}
        return await self._run(engine, self.session, given, None, {} if self.session else place)

    async def call_in(self, engine: Engine, session: Session, given: bytes, index: int) -> CallResult:
        """Call it for one input of a map."""
        return await self._run(engine, session, given, index, {})

    async def _run(
        self, engine: Engine, session: Session | None, given: bytes, index: int | None, place: dict[str, Any]
    ) -> CallResult:
        call = Call(self.source, None, given)
        options = {"owner": self.owner, "timeout_s": self.timeout_s, "env_vars": self.env_vars, **place}
        async with engine.start(session, call, **options) as running:
            return CallResult.of(await running.result(), MIME, index)

    @asynccontextmanager
    async def sandbox(self, engine: Engine) -> AsyncIterator[Session]:
        """The session that it is to run in, or one for as long as the block.

        Raises:
            QuotaExceeded: if the owner has too many.
            ServerFull: if there are too many.
        """
        if self.session is not None:
            yield self.session
            return
        made = await engine.create_session(
            owner=self.owner, environment=self.environment, tier=self.tier, limits=self.limits, held=True
        )
        try:
            yield made
        finally:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await engine.end_session(made, "its map has ended")


class Map:
    """One function, called for many inputs, in as many sandboxes as there are processors.

    Args:
        inputs: the arguments for each, in the order of their indices.
        tell: hears of each call as it ends.
    """

    def __init__(self, engine: Engine, function: Lambda, inputs: Inputs, tell: Tell) -> None:
        self._engine, self._function, self._tell = engine, function, tell
        self._inputs = inputs
        self._left = deque(range(len(inputs)))
        self._working = 0
        self._waits_since: float | None = None
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Call the function for every input; cancelling this ends all.

        Raises:
            InsituError: if there was no room for it for too long.
        """
        async with anyio.create_task_group() as group:
            for _ in range(self._workers()):
                group.start_soon(self._work, group.cancel_scope)
        if self._failure is not None:
            raise self._failure

    def _workers(self) -> int:
        if self._function.session is not None:
            return min(1, len(self._inputs))
        processors = len(os.sched_getaffinity(0))
        return min(processors, self._engine.settings.max_executions, len(self._inputs))

    async def _work(self, all_of_it: anyio.CancelScope) -> None:
        self._working += 1
        try:
            while self._left and await self._use_a_sandbox():
                pass
        except Exception as error:  # raised outside of the task group, which would wrap it
            self._failure = self._failure or error
            all_of_it.cancel()
        finally:
            self._working -= 1

    async def _use_a_sandbox(self) -> bool:
        """Call for one input after the other until the sandbox is lost; False if others had better do that."""
        async with AsyncExitStack() as stack:
            session: Session | None = None
            while self._left:
                try:
                    if session is None:
                        session = await stack.enter_async_context(self._function.sandbox(self._engine))
                    elif not await self._take_one(session):
                        break
                except (QuotaExceeded, ServerFull) as full:
                    if self._working > 1:
                        return False
                    await self._wait(full)
        return True

    async def _take_one(self, session: Session) -> bool:
        """Call for the next input; False if the sandbox was lost."""
        index = self._left.popleft()
        try:
            called = await self._function.call_in(self._engine, session, self._inputs[index], index)
        except (QuotaExceeded, ServerFull):
            self._left.appendleft(index)
            raise
        except (SandboxFailed, SessionNotFound) as error:
            await self._tell(_lost(error, index))
            return False
        self._waits_since = None
        await self._tell(called)
        return True

    async def _wait(self, full: QuotaExceeded | ServerFull) -> None:
        now, wait_s = anyio.current_time(), full.retry_after_s or 1.0
        self._waits_since = self._waits_since or now
        # A server that stops gets no room again.
        if not self._engine.open or now + wait_s > self._waits_since + _PATIENCE_S:
            raise full
        await anyio.sleep(wait_s)


def _lost(error: InsituError, index: int) -> CallResult:
    return CallResult(
        None, "crashed", state_kept=False, error=CodeError(type(error).__name__, error.message), index=index
    )
