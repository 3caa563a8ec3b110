"""Questions put to a sandbox from the inside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from textwrap import dedent
from typing import Any

from insitu.engine import Engine, Session, Workspace
from insitu.settings import Settings
from insitu.types import Execution
from tests.support.processes import find
from tests.support.waiting import eventually

# Importing pandas ahead would only make the tests slower.
SMALL = Settings(preimport=(), pool_size=0)

_PRELUDE = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "went through"
def refused_by_libc(name, *arguments):
    ctypes.set_errno(0)
    failed = getattr(libc, name)(*arguments) == -1
    return errno.errorcode[ctypes.get_errno()] if failed else "went through"
"""


class Guest:
    """Code in one session."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self.engine = engine
        self.session = session

    async def run(self, code: str, **options: Any) -> Execution:
        """Run code as it is."""
        return await self.engine.run(self.session, dedent(code), **options)

    async def ask(self, code: str, **options: Any) -> Any:
        """The value that the code gives to ``answer``; what it needs of helpers is in the prelude."""
        execution = await self.run(f"{_PRELUDE}\n{dedent(code)}\nprint(json.dumps(answer))", **options)
        assert execution.outcome == "ok", execution
        return json.loads(execution.stdout.splitlines()[-1])

    async def host_pid(self) -> int:
        """The number that its interpreter has outside."""
        return find(*await self.ask("answer = [os.getpid(), os.readlink('/proc/self/ns/pid')]"))

    async def agent_pid(self) -> int:
        """The number that its sandbox's agent has outside."""
        return find(1, await self.ask("answer = os.readlink('/proc/self/ns/pid')"))

    async def refusals(self, attempts: Sequence[str]) -> dict[str, str]:
        """How each of these expressions fails."""
        lines = "\n".join(f"answer[{attempt!r}] = refused(lambda: {attempt})" for attempt in attempts)
        answer: dict[str, str] = await self.ask(f"answer = {{}}\n{lines}")
        return answer


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """An upload's content."""
    for piece in pieces:
        yield piece


async def content(files: Workspace, path: str, start: int = 0, end: int | None = None) -> bytes:
    """A file of the workspace, or a part of it."""
    return b"".join([chunk async for chunk in files.read(path, start, end)])


async def appears(files: Workspace, path: str) -> None:
    """Return once there is a file."""

    async def is_there() -> bool:
        return path in [info.path for info in await files.list()]

    await eventually(is_there)
