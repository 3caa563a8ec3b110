"""Engines in threads of their own, shared by all sandboxes with the same settings."""

from __future__ import annotations

import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from insitu.errors import EngineClosed

from .setup import make_engine

if TYPE_CHECKING:
    from insitu.engine import Engine
    from insitu.settings import Settings

T = TypeVar("T")


@dataclass(eq=False)
class SharedEngine:
    """An engine in a thread of its own."""

    engine: Engine
    portal: BlockingPortal
    resources: ExitStack
    users: int = 0

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Awaits the function in the engine's thread; an exception here, such as Ctrl-C, cancels it there."""
        future = self._start(function)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, function: Callable[[], AsyncGenerator[T]]) -> Generator[T]:
        """Iterates in the engine's thread, and hands on what comes; closing this early closes that."""
        items: SimpleQueue[tuple[T, ...]] = SimpleQueue()

        async def pump() -> None:
            try:
                async with aclosing(function()) as source:
                    async for item in source:
                        items.put((item,))
            finally:
                items.put(())

        future = self._start(pump)
        ended = False
        try:
            while item := items.get():
                yield item[0]
            ended = True
            future.result()
        finally:
            if not ended:
                future.cancel()
                while items.get():
                    pass

    def _start(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        try:
            return self.portal.start_task_soon(function)
        except RuntimeError as error:
            raise EngineClosed("this process's engine is closed", hint="make a new insitu.Sandbox()") from error


_engines: dict[str, SharedEngine] = {}
# Held while an engine starts: whoever comes in the meantime wants that one, and not another.
_lock = Lock()


@contextmanager
def shared_engine(settings: Settings) -> Iterator[SharedEngine]:
    """The engine with these settings; the first user starts it, and the last one closes it."""
    key = repr(settings)
    with _lock:
        shared = _engines.setdefault(key, _engines.get(key) or _started(settings))
        shared.users += 1
    try:
        yield shared
    finally:
        with _lock:
            shared.users -= 1
            if not shared.users and _engines.get(key) is shared:
                del _engines[key]
                shared.resources.close()


def _started(settings: Settings) -> SharedEngine:
    engine = make_engine(settings)
    with ExitStack() as resources:
        uvloop = {"use_uvloop": find_spec("uvloop") is not None}
        portal = resources.enter_context(start_blocking_portal(backend_options=uvloop, name="insitu-engine"))
        # What still runs when the last user has left is cancelled, and not waited for.
        resources.callback(lambda: portal.call(portal.stop, True))
        resources.enter_context(portal.wrap_async_context_manager(engine))
        return SharedEngine(engine, portal, resources.pop_all())


@atexit.register
def _close_all() -> None:
    with _lock:
        while _engines:
            _engines.popitem()[1].resources.close()
