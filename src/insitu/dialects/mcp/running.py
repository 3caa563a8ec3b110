"""Code that a tool runs, and what its client hears of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from ...engine import RunningExecution
from ...errors import InsituError
from ...types import Execution
from ...web.fields import uploads
from .models import ExecutePython
from .sandboxes import Sandboxes

# Told of seconds, of how many they can be, and of what the code wrote last.
Progress = Callable[[float, float | None, str | None], Awaitable[None]]

_EVERY_S = 0.5
_MOST_CHARS = 200


async def run(sandboxes: Sandboxes, asked: ExecutePython, progress: Progress | None) -> Execution:
    """Run code to its end; who is cancelled meanwhile ends it.

    Args:
        progress: told now and then while the code runs.

    Raises:
        InsituError: if it could not be run.
    """
    session = sandboxes.session(asked.session_id) if asked.session_id is not None else None
    grant = sandboxes.grant()
    start = sandboxes.engine.start(
        session,
        asked.code,
        owner=sandboxes.owner,
        timeout_s=asked.timeout_s,
        files=await uploads(asked.files),
        tools=grant.specs,
    )
    timeout_s = asked.timeout_s or (session.limits if session else sandboxes.settings.limits()).timeout_s
    async with sandboxes.answering(start, grant) as running:
        if progress is None:
            return await running.result()
        async with anyio.create_task_group() as group:
            group.start_soon(_tell, running, progress, timeout_s)
            with suppress(InsituError):  # which the group would wrap
                await running.result()
            group.cancel_scope.cancel()
        return await running.result()


async def _tell(running: RunningExecution, progress: Progress, timeout_s: float) -> None:
    began, last = time.monotonic(), ""
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            nonlocal last
            with suppress(InsituError):  # whoever waits for the result is told of it
                async for event in running.events():
                    last = _line(event.text) or last

        group.start_soon(listen)
        while True:
            await anyio.sleep(_EVERY_S)
            await progress(time.monotonic() - began, timeout_s, last or None)


def _line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:_MOST_CHARS] if lines else ""
