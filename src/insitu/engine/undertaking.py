"""One execution on its way: let in, given a place, carried out, and told how it ended, whatever happens."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from anyio.abc import TaskGroup

from ..errors import EngineClosed, InsituError, SandboxFailed
from ..types import Execution
from .admission import Admission
from .execution import RunningExecution, Withdrawn
from .session import Session, SessionSpec
from .sessions import Sessions
from .slots import Slot

_log = logging.getLogger("insitu.engine")

# Where it runs, and how many milliseconds it took to make that.
Place = contextlib.AbstractAsyncContextManager[tuple[Session, float]]


@contextlib.asynccontextmanager
async def in_session(
    sessions: Sessions, session: Session, turn: contextlib.AbstractAsyncContextManager[None], slot: Slot
) -> AsyncIterator[tuple[Session, float]]:
    """A place in a session, when it is its turn there."""
    # The session's turn comes first: who waits for it must not keep others from running.
    try:
        async with turn, slot:
            yield session, 0.0
    finally:
        if session.ended is None and not session.healthy:
            await sessions.end(session, "its sandbox died")


@contextlib.asynccontextmanager
async def alone(sessions: Sessions, spec: SessionSpec, slot: Slot) -> AsyncIterator[tuple[Session, float]]:
    """A place in a sandbox that is made for it and destroyed afterwards."""
    async with slot:
        begun = time.perf_counter()
        async with sessions.for_one_execution(spec) as session:
            yield session, (time.perf_counter() - begun) * 1000


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What an execution is to be.

    Args:
        session: whose queue it waits in; None if it has a sandbox of its own.
        place: entered when it is its turn.
        carry_out: what it does in that place.
    """

    running: RunningExecution
    session: Session | None
    owner: str
    place: Place
    carry_out: Callable[[Session, float], Awaitable[Execution]]

    @contextlib.contextmanager
    def under_way(self, admission: Admission, tasks: TaskGroup | None, background: bool) -> Iterator[None]:
        """Start it; leaving the context before its end cancels it, unless it runs in the background or is paused.

        Raises:
            ServerFull: if the queue is full.
            QuotaExceeded: if the owner's share or the session's queue is.
        """
        admission.admit_execution(self.session, self.running, self.owner)
        assert tasks is not None  # or nothing would have been admitted
        tasks.start_soon(self._perform, admission)
        try:
            yield
        finally:
            if not (self.running.done or background or self.running.paused or self.running.detached):
                self.running.stop("cancelled")

    async def _perform(self, admission: Admission) -> None:
        running = self.running
        try:
            async with contextlib.AsyncExitStack() as stack:
                with running.waiting:
                    where, sandbox_ms = await stack.enter_async_context(self.place)
                if running.waiting.cancelled_caught:
                    raise Withdrawn
                running.finish(await self.carry_out(where, sandbox_ms))
        except Withdrawn:
            running.withdraw()
        except InsituError as error:
            running.fail(error)
        except Exception:
            # A defect of ours: it ends this execution, and must not end all the others with it.
            _log.exception("the execution %s failed", running.id)
            running.fail(SandboxFailed(f"the execution {running.id} failed; the server's log says why"))
        except BaseException:
            closed = "the engine was closed"
            running.fail(SandboxFailed(f"{closed} while the code ran") if running.started else EngineClosed(closed))
            raise
        finally:
            admission.dismiss_execution(self.session, running, self.owner)
