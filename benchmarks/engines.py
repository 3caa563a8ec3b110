"""An engine in this process, for rows that leave HTTP out."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
from anyio.from_thread import start_blocking_portal

from insitu.engine import Engine, Session
from insitu.settings import Settings

from .measure import ms_since

T = TypeVar("T")
# What a first line of a data analyst amounts to, and one of its kind that no zygote has run before.
PANDAS_LINE = 'import pandas as pd; pd.DataFrame({"a": [1, 2, 3]}).a.sum()'
GROUP_LINE = 'import pandas as pd; pd.DataFrame({"k": list("abab"), "v": range(4)}).groupby("k").v.mean()'


class Host:
    """Calls into an engine that runs in a thread, as it does below a server: on uvloop."""

    def __init__(self, engine: Engine, call: Callable[..., object]) -> None:
        self.engine = engine
        self._call = call

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Await the function with the engine and the arguments; times are taken inside, where no thread waits."""
        return self._call(function, self.engine, *arguments)  # type: ignore[return-value]


@contextmanager
def engine_host(settings: Settings) -> Iterator[Host]:
    """An engine that is up and warm."""
    with start_blocking_portal(backend_options={"use_uvloop": True}) as portal:
        with portal.wrap_async_context_manager(Engine(settings)) as engine:
            host = Host(engine, portal.call)
            host.call(_until_ready)
            yield host


async def _until_ready(engine: Engine) -> None:
    while not engine.ready:  # noqa: ASYNC110 - the engine tells nobody, and this is not measured
        await anyio.sleep(0.01)


async def first_output(engine: Engine, code: str) -> float:
    """Milliseconds from the call to the first output of a fresh sandbox; returns when the sandbox is gone."""
    ms: float | None = None
    begun = time.perf_counter()
    async with engine.start(None, code) as running:
        async for event in running.events():
            if ms is None and event.kind in ("stdout", "result"):
                ms = ms_since(begun)
        outcome = (await running.result()).outcome
    while engine.load["sandboxes"]:  # noqa: ASYNC110
        await anyio.sleep(0.001)
    if ms is None:
        raise RuntimeError(f"a sandbox said nothing: {outcome}")
    return ms


async def open_session(engine: Engine) -> Session:
    """A new session."""
    return await engine.create_session()


async def in_session(engine: Engine, session: Session, code: str, n: int) -> list[float]:
    """Milliseconds of each of ``n`` executions, one after the other."""
    samples = []
    for _ in range(n):
        begun = time.perf_counter()
        await engine.run(session, code)
        samples.append(ms_since(begun))
    return samples


async def printed(engine: Engine, session: Session, code: str) -> str:
    """What code writes."""
    execution = await engine.run(session, code)
    if execution.error is not None:
        raise RuntimeError(f"the code failed: {execution.error.name}: {execution.error.value}")
    return execution.stdout


async def end_session(engine: Engine, session: Session) -> None:
    """End a session."""
    await engine.end_session(session)
