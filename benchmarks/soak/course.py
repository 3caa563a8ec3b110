"""The course of a soak: warm up, look, steady load, mixed load with faults, steady load, look again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random

import anyio
import httpx2

from tests.support.processes import descendants

from . import codes, faults, footprint, sessions, turns
from .footprint import Footprint
from .ledger import Ledger
from .load import BOUND_S, Kind, Worker
from .probing import Probing
from .serving import POOL, Serving

PHASES = ("before", "during", "after")
# Of the whole time; the warm-up has what is left.
_SHARES = {"warm-up": 0.05, "before": 0.1, "during": 0.7, "after": 0.15}
# How many workers there are of each kind, and how each is made.
Load = Mapping[str, tuple[int, Callable[[], Kind]]]
_MIXED: Load = {
    "ok": (2, lambda: codes.ok),
    "error": (1, lambda: codes.error),
    "timeout": (2, lambda: codes.timeout),
    "out of memory": (1, lambda: codes.out_of_memory),
    "crash": (2, lambda: codes.crash),
    "output flood": (1, lambda: codes.output_flood),
    "result flood": (1, lambda: codes.result_flood),
    "disconnect": (2, lambda: sessions.disconnect),
    "files": (1, lambda: sessions.files),
    "deletion": (1, lambda: sessions.deletion),
    "python turn": (2, lambda: turns.python_turn),
    "shell turn": (1, lambda: turns.shell_turn),
    "background": (2, lambda: turns.background),
}
_STEADY: Load = {"steady ok": (1, lambda: codes.ok), "keeper": (4, sessions.Keeper)}
_PAUSE_S, _STEADY_PAUSE_S = 0.5, 1.0
_SETTLE_S, _LEFT_S, _LOOK_S = 60.0, 20.0, 0.5
_SAMPLE_S, _FEWEST_SAMPLES = 2.0, 30
# The warm-up of a shorter run is too short for the server's memory to be what it will be under load.
_WARM_FROM_S = 60.0


class Course:
    """A run, and what it has seen.

    Args:
        on_phase: told when a phase begins.
    """

    def __init__(
        self, server: Serving, ledger: Ledger, seed: int, seconds: float, on_phase: Callable[[str], None]
    ) -> None:
        self.footprints: dict[str, Footprint] = {}
        self.server_mb: list[float] = []
        self.probing = Probing(ledger, PHASES)
        self._server = server
        self._ledger = ledger
        self._seed = seed
        self._seconds = seconds
        self._on_phase = on_phase

    async def run(self) -> None:
        """All of it."""
        await self._begin("warm-up")
        await self._under(_MIXED, "warm-up", _PAUSE_S)
        await self._sweep()
        self.footprints["before"] = await self._still()
        over = anyio.Event()
        async with self.probing.measuring(self._server.port), anyio.create_task_group() as tasks:
            tasks.start_soon(self._until, over, _STEADY, _STEADY_PAUSE_S, "")
            for phase in PHASES:
                await self._begin(phase)
                await self._pass(phase)
            over.set()
        await self._sweep()
        self.footprints["after"] = await self._look_again()
        self._weigh()

    async def _begin(self, phase: str) -> None:
        self._on_phase(phase)
        if phase in PHASES:
            self.probing.phase = phase

    async def _pass(self, phase: str) -> None:
        seconds = self._seconds * _SHARES[phase]
        if phase != "during":
            await anyio.sleep(seconds)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._under, _MIXED, phase, _PAUSE_S)
            tasks.start_soon(self._watch, seconds)
            tasks.start_soon(faults.strike, self._server.pid, self._ledger, self._random("faults"), seconds)
        await self._settle(idle=False)

    async def _under(self, load: Load, phase: str, pause_s: float) -> None:
        over = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until, over, load, pause_s, phase)
            await anyio.sleep(self._seconds * _SHARES[phase])
            over.set()

    async def _until(self, over: anyio.Event, load: Load, pause_s: float, phase: str) -> None:
        async with anyio.create_task_group() as tasks:
            for name, (count, make) in load.items():
                for number in range(count):
                    random = self._random(f"{phase} {name} {number}")
                    worker = Worker(self._ledger, self._server.url, name, make(), random, pause_s)
                    tasks.start_soon(worker.run, over)

    def _random(self, what: str) -> Random:
        return Random(f"{self._seed} {what}")

    async def _watch(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while True:
                self.server_mb.append(footprint.rss_mb(self._server.pid))
                await anyio.sleep(min(_SAMPLE_S, seconds / _FEWEST_SAMPLES))

    async def _sweep(self) -> None:
        # Such as the sessions that were made for a worker whose request then failed.
        async with self._http() as http:
            for path, key in (("/v1/containers", "data"), ("/v1/sessions", "sessions")):
                for each in (await http.get(path)).json()[key]:
                    await http.delete(f"{path}/{each['id']}")
        await self._settle(idle=True)

    async def _settle(self, *, idle: bool) -> None:
        load: dict[str, int] = {}
        with anyio.move_on_after(_SETTLE_S):
            while True:
                load = await self._load()
                rest = load["executions"] + load["sandboxes"] - load["pool_ready"] if idle else 0
                if load["pool_ready"] == POOL and not rest:
                    return
                await anyio.sleep(_LOOK_S)
        self._ledger.breach("pool", f"it is not full again after {_SETTLE_S:g} s: {load}")

    async def _load(self) -> dict[str, int]:
        async with self._http() as http:
            text = (await http.get("/metrics")).text
        return {name: int(value) for name, value in re.findall(r"^insitu_(\w+) (\d+)", text, re.MULTILINE)}

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self._server.url, timeout=BOUND_S, trust_env=False)

    def _take(self) -> Footprint:
        return Footprint.take(self._server.pid, descendants(self._server.pid))

    async def _still(self) -> Footprint:
        """A footprint that stays as it is; the kernel lets go of what is dead a moment later."""
        found = self._take()
        with anyio.move_on_after(_LEFT_S):
            while True:
                await anyio.sleep(_LOOK_S)
                before, found = found, self._take()
                if not before.left(found) and not found.left(before):
                    return found
        self._ledger.breach("footprint", f"it does not come to rest: {before.left(found)}")
        return found

    async def _look_again(self) -> Footprint:
        found = self._take()
        with anyio.move_on_after(_LEFT_S):
            while self.footprints["before"].left(found):
                await anyio.sleep(_LOOK_S)
                found = self._take()
        return found

    def _weigh(self) -> None:
        before, after = self.footprints["before"], self.footprints["after"]
        for what in before.left(after):
            self._ledger.breach("footprint", what)
        if self._seconds >= _WARM_FROM_S:
            self._weigh_memory(before, after)

    def _weigh_memory(self, before: Footprint, after: Footprint) -> None:
        for what in before.grown(after):
            self._ledger.breach("footprint", what)
        thirds = footprint.trend(self.server_mb)
        if thirds is not None and footprint.climbs(*thirds):
            middle, late = thirds
            self._ledger.breach("footprint", f"the server's memory climbs: {middle:.1f} MB, then {late:.1f} MB")
