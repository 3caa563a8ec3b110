"""A server under attack, with a neighbour on it that must not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio

from insitu import AsyncClient, Settings
from insitu.types import Execution
from tests.attacks.attack import Attack, Layer
from tests.support.footprint import Footprint
from tests.support.serving import serving

ATTACKER, NEIGHBOUR = "the-attackers-key", "the-neighbours-key"
SECRET = "7f3c-the-neighbours-secret"
TIMEOUT_S = 1.0
# A machine that others use too is slow at times; what hangs is found all the same.
_SLACK_S = 20.0
SETTINGS = Settings(
    port=0,
    preimport=(),
    pool_size=0,
    api_keys=(ATTACKER, NEIGHBOUR),
    timeout_s=TIMEOUT_S,
    grace_s=0.3,
    memory_bytes=256 << 20,
    disk_bytes=16 << 20,
    processes=32,
    idle_timeout_s=3600,
)


class Stand:
    """Where attacks are made.

    Args:
        url: the server's address.
        lacking: the layers that this machine, or this way of running, does not have.
    """

    def __init__(self, url: str, lacking: frozenset[Layer]) -> None:
        self.url = url
        self.lacking = lacking
        self._neighbour = ""

    def client(self, key: str = ATTACKER) -> AsyncClient:
        """A client of the attacker's, or of another's key."""
        return AsyncClient(self.url, key)

    async def settle_neighbour(self) -> None:
        """Have a neighbour move in, with a variable and a file."""
        async with self.client(NEIGHBOUR) as client:
            session = await client.session()
            await session.run(f"secret = {SECRET!r}\nopen('secret', 'w').write(secret)")
            self._neighbour = session.id

    async def withstands(self, attack: Attack) -> Execution:
        """Make the attack, in a sandbox of its own; see that it ends as it may and harms nobody."""
        async with self.unharmed(attack.options.get("timeout_s", TIMEOUT_S)), self.client() as client:
            execution = await client.run(attack.program, **attack.options)
        said = f"{execution.outcome}: {execution.text[:2000]} {execution.error or ''}"
        assert execution.outcome in attack.ends, said
        if attack.answers and execution.outcome == "ok":
            assert execution.result is not None, said
            assert execution.result.text in {repr(answer) for answer in attack.answers}, said
        return execution

    @asynccontextmanager
    async def unharmed(self, timeout_s: float = TIMEOUT_S) -> AsyncIterator[None]:
        """Whatever happens in the block takes no longer than it may, leaves nothing, and the neighbour lives on."""
        before = Footprint.take()
        with anyio.fail_after(timeout_s + SETTINGS.grace_s + _SLACK_S):
            yield
        await self._ask_the_neighbour()
        await before.assert_nothing_left()

    async def _ask_the_neighbour(self) -> None:
        async with self.client(NEIGHBOUR) as client:
            assert (await client.health())["status"] == "ok"
            session = await client.connect(self._neighbour)
            told = await session.run("import os; [secret, open('secret').read(), os.listdir()]")
            assert told.text == repr([SECRET, SECRET, ["secret"]])


@contextmanager
def another(stand: Stand, data_dir: Path, **settings: Any) -> Iterator[Stand]:
    """A server beside a stand's and with the same layers, for what must be set otherwise."""
    own = {"data_dir": data_dir, "allow_degraded": Layer.LANDLOCK in stand.lacking}
    with stand_at(SETTINGS.model_copy(update={**own, **settings}), stand.lacking) as made:
        yield made


@contextmanager
def stand_at(settings: Settings, lacking: frozenset[Layer]) -> Iterator[Stand]:
    """A server for as long as the block."""
    with serving(settings) as url:
        yield Stand(url, lacking)
