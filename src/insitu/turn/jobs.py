"""Jobs: work that is owned by the server, and whose log any number of readers follow."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from ..engine.log import Log

_log = logging.getLogger("insitu.turn")
# What has ended is still followed by readers who come back, for so long.
_KEPT_S = 300.0

Work = Callable[["Job"], Awaitable[None]]


class Job:
    """One piece of work that is under way, or has ended a moment ago.

    Args:
        id: what readers know it by.
        owner: whoever may read it.

    Its ``failure`` is for whoever waits for it, and its ``state`` whatever the work keeps there for readers.
    """

    def __init__(self, job_id: str, owner: str, state: object) -> None:
        self.id = job_id
        self.owner = owner
        self.state = state
        self.log: Log[bytes] = Log()
        self.failure: Exception | None = None
        self._wished = False
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
        return self._cut and not self._wished

    def cancel(self) -> None:
        """Have it end; nothing happens if it has."""
        self._wished = True
        self._scope.cancel()

    async def wait(self) -> None:
        """Wait for its end."""
        await self._done.wait()

    async def perform(self, work: Work) -> None:
        """Do the work in its scope; a defect ends this job and no other."""
        try:
            with self._scope:
                await work(self)
        except anyio.get_cancelled_exc_class():
            self._cut = True
            raise
        except Exception as exc:
            _log.exception("the job %s failed", self.id)
            self.failure = exc
        finally:
            self._done.set()
            self.log.end()


class Jobs:
    """All jobs of this server."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}

    def start(self, job_id: str, owner: str, work: Work, state: object = None, *, kept_s: float = _KEPT_S) -> Job:
        """Start a job; it is found by its id until so many seconds after its end, and never if that is 0."""
        job = Job(job_id, owner, state)
        if kept_s:
            self._jobs[job_id] = job
        self._tasks.start_soon(self._run, job, work, kept_s)
        return job

    def get(self, job_id: str, owner: str) -> Job | None:
        """Find a job that is under way, or has ended a moment ago."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.owner == owner else None

    def forget(self, job: Job) -> None:
        """Let nobody find it again."""
        self._jobs.pop(job.id, None)

    async def _run(self, job: Job, work: Work, kept_s: float) -> None:
        try:
            await job.perform(work)
            await anyio.sleep(kept_s)
        finally:
            self._jobs.pop(job.id, None)


@asynccontextmanager
async def open_jobs() -> AsyncIterator[Jobs]:
    """All jobs of a server; leaving the context cancels what has not ended, and waits for it."""
    async with anyio.create_task_group() as tasks:
        try:
            yield Jobs(tasks)
        finally:
            tasks.cancel_scope.cancel()
