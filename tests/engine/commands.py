"""Shell commands beside a session's code, and what they leave in its sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from insitu.engine import RunningExecution
from insitu.types import Execution
from tests.support.guest import Guest
from tests.support.waiting import eventually

# Until a file is there.
WAIT = "while [ ! -e go ]; do sleep 0.01; done"


async def run(guest: Guest, command: str | Sequence[str], **options: Any) -> Execution:
    """Run a command to its end."""
    async with guest.engine.start_command(guest.session, command, **options) as running:
        return await running.result()


async def until_output(running: RunningExecution) -> None:
    """Wait until a command has written something."""
    async for event in running.events():
        if event.kind == "stdout":
            return


async def processes(guest: Guest) -> int:
    """How many there are in the sandbox besides its agent and its interpreter."""
    code = "answer = sum(p.isdigit() and int(p) not in (1, os.getpid()) for p in os.listdir('/proc'))"
    count: int = await guest.ask(code)
    return count


async def until_alone(guest: Guest) -> None:
    """Wait until the interpreter is alone: what has been killed takes a moment to go."""

    async def is_alone() -> bool:
        return await processes(guest) == 0

    await eventually(is_alone)
