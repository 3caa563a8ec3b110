"""Jobs: work that is owned by the server, and whose log any number of readers follow."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from ..engine.log import Log
from ..errors import InsituError, foreseen
from ..types import MIB
from .shares import Shares

_log = logging.getLogger("insitu.turn")

Work = Callable[["Job"], Awaitable[None]]
# Of the logs of jobs that have ended and are still read.
_UNREAD_BYTES = 256 * MIB


class Job:
    """One piece of work that is under way.

    Args:
        id: what readers know it by.
        owner: whoever may read it.
        request_id: of the request that it was started by; the log has its defects under it.

    Its ``failure`` is for whoever waits for it, and its ``state`` whatever the work keeps there for readers. It is
    ``forgotten`` when it has ended and its readers take too long: they must let go of it.
    """

    def __init__(self, job_id: str, owner: str, request_id: str, state: object, unread: Unread) -> None:
        self.id = job_id
        self.owner = owner
        self.request_id = request_id
        self.state = state
        self.log: Log[bytes] = Log()
        self.failure: InsituError | None = None
        self.forgotten = anyio.Event()
        self._unread = unread
        self._readers = 0
        self._cut = False
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    @property
    def cancelled_by_server(self) -> bool:
        """Whether it was cancelled because the server stops."""
        return self._cut

    async def read(self, after: int = 0, *, cancel: bool = False) -> AsyncGenerator[bytes]:
        """Yield the entries of its log from a number on, until the last; raises its failure, if it has failed.

        Args:
            cancel: whether it ends with this reader.
        """
        self._readers += 1
        self._note_readers()
        try:
            async with aclosing(self.log.read(after)) as entries:
                async for entry in entries:
                    yield entry
        finally:
            self._readers -= 1
            self._note_readers()
            if cancel:
                self.cancel()
        if self.failure is not None:
            failures = [self.failure]
            del self, entries  # this frame is in the failure's traceback: they would hold each other
            raise failures.pop()

    def _note_readers(self) -> None:
        if not self._readers:
            self._unread.discard(self)
        elif self.done:
            self._unread.add(self)

    def cancel(self) -> None:
        """Have it end; nothing happens if it has."""
        self._scope.cancel()

    async def stop(self) -> None:
        """Have it end, and wait until it has."""
        self.cancel()
        await self.wait()

    def cut(self) -> None:
        """Have it end because the server stops; nothing happens if it has, or is about to."""
        self._cut = self._cut or not (self.done or self._scope.cancel_called)
        self._scope.cancel()

    async def wait(self) -> None:
        """Wait for its end."""
        await self._done.wait()

    async def perform(self, work: Work) -> None:
        """Do the work in its scope; a defect ends this job and no other."""
        try:
            with self._scope:
                await work(self)
        except InsituError as exc:
            _log.error("the job %s failed: %s", self.id, exc.message)
            self.failure = exc
        except Exception as exc:
            self.failure = foreseen(exc, self.request_id)
        finally:
            self._done.set()
            self._note_readers()
            self.log.end()


class Unread:
    """The jobs that have ended and are still read; when they hold too much, some are forgotten."""

    def __init__(self) -> None:
        self._shares: Shares[Job] = Shares()

    def __len__(self) -> int:
        return len(self._shares)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._shares)

    def add(self, job: Job) -> None:
        """Add one, if it is not there."""
        if job not in self._shares and not job.forgotten.is_set():
            self._shares.add(job, sum(map(len, job.log.entries)))
        for other in self._shares.surplus(_UNREAD_BYTES):
            other.forgotten.set()

    def discard(self, job: Job) -> None:
        """Take one out."""
        self._shares.discard(job)


class Jobs:
    """All jobs of this server."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._running: set[Job] = set()
        self._found: dict[str, Job] = {}
        self.unread = Unread()

    def start(
        self, job_id: str, owner: str, work: Work, state: object = None, *, request_id: str, found: bool = True
    ) -> Job:
        """Start a job.

        Args:
            request_id: of the request that asks for it.
            found: whether it is found by its id while it is under way.
        """
        job = Job(job_id, owner, request_id, state, self.unread)
        self._running.add(job)
        if found:
            self._found[job_id] = job
        self._tasks.start_soon(self._run, job, work)
        return job

    def get(self, job_id: str, owner: str) -> Job | None:
        """Find a job that is under way."""
        job = self._found.get(job_id)
        return job if job is not None and job.owner == owner else None

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._running)

    async def wait(self) -> None:
        """Wait until none is under way."""
        while self._running:
            await next(iter(self._running)).wait()

    async def cut(self) -> None:
        """End them all because the server stops, and wait until they have said so."""
        for job in self._running:
            job.cut()
        await self.wait()

    async def _run(self, job: Job, work: Work) -> None:
        try:
            await job.perform(work)
        finally:
            self._running.discard(job)
            self._found.pop(job.id, None)


@asynccontextmanager
async def open_jobs() -> AsyncIterator[Jobs]:
    """All jobs of a server; leaving the context ends those that are under way, and waits for it."""
    async with anyio.create_task_group() as tasks:
        jobs = Jobs(tasks)
        try:
            yield jobs
        finally:
            with anyio.CancelScope(shield=True):
                await jobs.cut()
