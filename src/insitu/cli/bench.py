"""`insitu bench`: how fast sandboxes are on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Annotated

import typer

from insitu.isolation.platforms import require_linux

from .configuration import read_settings
from .options import AsJson, Python
from .text import as_json, note, table

if TYPE_CHECKING:
    from insitu.engine import Engine, Session
    from insitu.settings import Settings
    from insitu.types import Limits

EXAMPLES = ("insitu bench", "insitu bench -n 300 --json", "insitu bench --python ~/analysis/.venv/bin/python")

_PANDAS = "import pandas as pd; pd.DataFrame({'a': [1, 2, 3]}).a.sum()"
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """Times of one thing, in milliseconds."""

    name: str
    code: str
    n: int
    p50: float
    p95: float
    p99: float


def bench(
    n: Annotated[int, typer.Option("-n", min=10, max=100_000, metavar="N", help="Samples of each.")] = 100,
    python: Python = None,
    json: AsJson = False,
) -> None:
    """Measure sandboxes and executions in this process.

    They are measured one at a time: a sandbox from the call to its first output; an execution in a live session from
    the call to its end. `make bench` in insitu's repository measures more, and beside its peers.
    """
    require_linux("a sandbox")
    import anyio

    settings = read_settings({"python": python and str(python)})
    note("starting: the packages are imported once")
    uvloop = {"use_uvloop": find_spec("uvloop") is not None}
    layers, measures = anyio.run(partial(_measure, settings, n), backend_options=uvloop)
    if json:
        about = {"unit": "ms", "concurrency": 1, "cpus": os.cpu_count(), "layers": layers}
        print(as_json({**about, "measures": [asdict(measure) for measure in measures]}))
        return
    rows = [(m.name, f"{m.p50:.2f}", f"{m.p95:.2f}", f"{m.p99:.2f}", str(m.n), m.code) for m in measures]
    print(table(("MILLISECONDS", "P50", "P95", "P99", "N", "CODE"), rows))
    note("layers: " + "; ".join(f"{name}: {what}" for name, what in layers.items()))


async def _measure(settings: Settings, n: int) -> tuple[dict[str, str], list[Measure]]:
    from insitu.engine import Engine

    async with Engine(settings.model_copy(update={"pool_size": max(1, settings.pool_size)})) as engine:
        code = _PANDAS if _has_pandas(engine) else "1 + 1"
        # The pool holds sandboxes with the default limits: any others have to be made.
        limits = settings.limits()
        other = replace(limits, processes=limits.processes + 1)
        measures = [
            _summary("fresh sandbox", code, [t async for t in _fresh(engine, code, n, other)]),
            _summary("sandbox from the pool", code, [t async for t in _fresh(engine, code, n, None)]),
        ]
        session = await engine.create_session()
        measures.append(_summary("live session", "1 + 1", [t async for t in _live(engine, session, n)]))
        return dict(engine.layers), measures


def _has_pandas(engine: Engine) -> bool:
    return any("pandas" in about.preimported for about in engine.environments())


async def _fresh(engine: Engine, code: str, n: int, limits: Limits | None) -> AsyncIterator[float]:
    for number in range(_WARM_UP + n):
        await _settled(engine)
        begun = time.perf_counter()
        async with engine.start(None, code, limits=limits) as execution:
            async for event in execution.events():
                if event.kind in ("stdout", "result"):
                    if number >= _WARM_UP:
                        yield time.perf_counter() - begun
                    break
            await execution.result()


async def _settled(engine: Engine) -> None:
    """Wait until the sandbox before is gone and the pool is full, so that nothing else goes on."""
    import anyio

    full = engine.settings.pool_size
    # Nothing else needs to know this, so the engine has no event for it; no clock runs meanwhile.
    while engine.load["pool_ready"] != full or engine.load["sandboxes"] != full:  # noqa: ASYNC110
        await anyio.sleep(0.001)


async def _live(engine: Engine, session: Session, n: int) -> AsyncIterator[float]:
    for number in range(_WARM_UP + n):
        begun = time.perf_counter()
        await engine.run(session, "1 + 1")
        if number >= _WARM_UP:
            yield time.perf_counter() - begun


def _summary(name: str, code: str, seconds: list[float]) -> Measure:
    ordered = sorted(1000 * s for s in seconds)
    p50, p95, p99 = (ordered[ceil(len(ordered) * q) - 1] for q in (0.5, 0.95, 0.99))
    return Measure(name, code, len(ordered), round(p50, 3), round(p95, 3), round(p99, 3))
