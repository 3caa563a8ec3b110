"""Reading along with a job that makes an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...turn.jobs import Job
from ...web.errors import ServerStopped


async def follow(job: Job, after: int = 0, *, cancel: bool) -> AsyncIterator[bytes]:
    """What a job has written and writes, to its end.

    Args:
        after: entries to leave out.
        cancel: end the job when the reader leaves.

    Raises:
        Exception: what the job failed with.
        ServerStopped: if the server stopped before it ended.
    """
    try:
        async for entry in job.log.read(after):
            yield entry
        if job.failure is not None:
            raise job.failure
        if job.cancelled_by_server:
            raise ServerStopped
    finally:
        if cancel:
            job.cancel()
