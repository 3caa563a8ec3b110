"""Workers that ask a server for the same kind of thing again and again, and judge every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Unpack

import anyio
import httpx2

from insitu import AsyncClient
from insitu.client import AsyncClientSession
from insitu.client.calls import SessionOptions
from insitu.errors import InsituError

from .ledger import Excused, Ledger, Round, Wrong, now

# No round takes longer, an environment's new start and a busy machine included: what does hangs.
BOUND_S = 90.0
_PAUSE_S = 0.5
_NAMESPACE = "import os; print(os.readlink('/proc/self/ns/pid'))"


class Work:
    """What a worker works with: a server, seen by its public API, and chance."""

    def __init__(self, url: str, random: Random) -> None:
        self.client = AsyncClient(url)
        self.http = httpx2.AsyncClient(base_url=url, timeout=BOUND_S, trust_env=False)
        self.random = random

    @asynccontextmanager
    async def session(self, round: Round, **options: Unpack[SessionOptions]) -> AsyncIterator[AsyncClientSession]:
        """A session whose sandbox is known, and which ends with the block."""
        since = now()
        async with self.client.session(**options) as session:
            told = await session.run(_NAMESPACE)
            round.expect(told, "ok")
            round.hold(told.stdout.strip(), since)
            round.unnamed = False
            yield session

    async def open_session(self, round: Round) -> AsyncClientSession:
        """A session whose sandbox is known, and which outlives the round."""
        since = now()
        session = await self.client.session()
        told = await session.run(_NAMESPACE)
        round.expect(told, "ok")
        round.hold(told.stdout.strip(), since).kept = True
        return session

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of an answer."""
        response = await self.http.request(method, path, json=body)
        return response.status_code, response.json() if response.content else {}

    async def aclose(self) -> None:
        """Drop all connections."""
        await self.client.close()
        await self.http.aclose()


Kind = Callable[[Work, Round], Awaitable[None]]


class Worker:
    """One of those that do the same kind of thing.

    Args:
        kind: what it does in each round.
        pause_s: the longest time between two rounds, in seconds.
    """

    def __init__(
        self, ledger: Ledger, url: str, name: str, kind: Kind, random: Random, pause_s: float = _PAUSE_S
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._kind = kind
        self._work = Work(url, random)
        self._pause_s = pause_s

    async def run(self, over: anyio.Event) -> None:
        """Go round at least once, and until it is over; a round that has begun is finished."""
        try:
            while True:
                await self._round()
                with anyio.move_on_after(self._work.random.uniform(0, self._pause_s)):
                    await over.wait()
                if over.is_set():
                    return
        finally:
            with anyio.CancelScope(shield=True):
                await self._work.aclose()

    async def _round(self) -> None:
        round = Round(self._ledger, self._name)
        try:
            with anyio.fail_after(BOUND_S):
                await self._kind(self._work, round)
        except Excused:
            self._ledger.excused[self._name] += 1
        except InsituError as error:
            if round.explains(error):
                self._ledger.excused[self._name] += 1
            else:
                self._ledger.breach(self._name, f"{type(error).__name__} ({error.code}): {error}")
        except Wrong as wrong:
            self._ledger.breach(self._name, str(wrong))
        except TimeoutError:
            self._ledger.breach(self._name, f"a round hangs: it is not over after {BOUND_S:g} s")
        except Exception as error:
            self._ledger.breach(self._name, f"{type(error).__name__}: {error}")
        finally:
            round.close()
            self._ledger.rounds[self._name] += 1
