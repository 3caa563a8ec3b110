"""Threads for functions that may never return."""

from __future__ import annotations

import threading

import anyio
import pytest

from insitu.threads import Threads
from tests.support.waiting import eventually


async def test_what_hangs_counts_until_it_ends() -> None:
    threads, end = Threads(2), threading.Event()
    ended: list[str] = []
    for _ in range(2):
        with anyio.move_on_after(0):
            await threads.run(lambda: end.wait(30), lambda: ended.append("hung"))
    with pytest.raises(RuntimeError, match="2 earlier calls have not ended, although nobody waits for them"):
        await threads.run(lambda: 5, lambda: ended.append("refused"))
    assert ended == ["refused"]
    end.set()
    await eventually(lambda: ended.count("hung") == 2)
    assert await threads.run(lambda: 5) == 5


async def test_what_ends_the_process_ends_the_call() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="it ended by SystemExit"):
        await Threads(1).run(leave)
