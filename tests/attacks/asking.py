"""Questions of an attack in several steps, and what those who must not notice can still do."""

from __future__ import annotations

from ast import literal_eval
from typing import Any, Protocol

from insitu.types import Execution
from tests.attacks.attack import Attack, Layer
from tests.attacks.stand import NEIGHBOUR, Stand

# A program that is over when all others are gone; who has been killed may take a moment.
ALONE = """
import time
while sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) != [1, os.getpid()]: time.sleep(0.002)
"alone"
"""


class Runner(Protocol):
    """A client, for a fresh sandbox, or a session."""

    async def run(self, code: str, /) -> Execution:
        """Run code."""


def program(code: str) -> str:
    """Code with all that an attack's has."""
    return Attack(what="", stopped_by=Layer.HOST, code=code).program


async def ask(runner: Runner, code: str) -> Any:
    """The value of the last expression."""
    execution = await runner.run(program(code))
    assert execution.outcome == "ok", execution
    assert execution.result is not None, execution
    return literal_eval(execution.result.text or "")


async def assert_others_work(stand: Stand) -> None:
    """Somebody else gets a sandbox, runs code in it, and has its files."""
    async with stand.client(NEIGHBOUR) as client, client.session() as session:
        await session.files.write("a", b"1")
        assert await ask(session, "open('a').read()") == "1"
        assert [info.path for info in await session.files.list()] == ["a"]


async def assert_agent_serves(session: Any) -> None:
    """The sandbox of a session has an agent that answers, and an interpreter."""
    await session.files.write("served", b"1")
    assert "served" in [info.path for info in await session.files.list()]
    assert await ask(session, "1 + 1") == 2
