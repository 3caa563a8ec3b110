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
    """

    def __init__(self, job_id: str, owner: str) -> None:
        self.id = job_id
        self.owner = owner
        self.log: Log[bytes] = Log()
        self.cancelled = False
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Have it end."""
        self.cancelled = True
        self._scope.cancel()

    async def wait(self) -> None:
        """Wait for its end."""
        await self._done.wait()

    async def perform(self, work: Work) -> None:
        """Do the work in its scope; a defect ends this job and no other."""
        try:
            with self._scope:
                await work(self)
        except Exception:
            _log.exception("the job %s failed", self.id)
        finally:
            self._done.set()
            self.log.end()


class Jobs:
    """All jobs of this server."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}

    def start(self, job_id: str, owner: str, work: Work) -> Job:
        """Start a job."""
        job = self._jobs[job_id] = Job(job_id, owner)
        self._tasks.start_soon(self._run, job, work)
        return job

    def get(self, job_id: str, owner: str) -> Job | None:
        """Find a job that is under way, or has ended a moment ago."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.owner == owner else None

    async def _run(self, job: Job, work: Work) -> None:
        try:
            await job.perform(work)
            await anyio.sleep(_KEPT_S)
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
