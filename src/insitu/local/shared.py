"""Engines in threads of their own, shared by all sandboxes with the same settings."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, aclosing, contextmanager
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from insitu.errors import EngineClosed

from .setup import make_engine

if TYPE_CHECKING:
    from insitu.engine import Engine
    from insitu.settings import Settings

T = TypeVar("T")


class SharedEngine:
    """An engine in a thread of its own.

    Args:
        resources: what ends with it.
    """

    def __init__(self, engine: Engine, portal: BlockingPortal, resources: ExitStack) -> None:
        self.engine = engine
        self.users = 0
        self._portal = portal
        self._loop = portal.call(asyncio.get_running_loop)
        self._resources = resources
        self._closed = False

    def call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Awaits the function in the engine's thread; an exception here, such as Ctrl-C, cancels it there."""
        self._check_open()
        # Measured: this takes 50 us of a call, and a call of anyio's portal 100.
        future = asyncio.run_coroutine_threadsafe(function(), self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed() from error
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

        self._check_open()
        future = self._portal.start_task_soon(pump)
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

    def opened(self, resource: AbstractAsyncContextManager[T]) -> AbstractContextManager[T]:
        """A resource that lives in the engine's thread."""
        return self._portal.wrap_async_context_manager(resource)

    def close(self) -> None:
        """Ends every sandbox, and the thread."""
        self._closed = True
        self._resources.close()

    def _check_open(self) -> None:
        if self._closed:
            raise _closed()


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
                shared.close()


def _started(settings: Settings) -> SharedEngine:
    engine = make_engine(settings)
    with ExitStack() as resources:
        uvloop = {"use_uvloop": find_spec("uvloop") is not None}
        portal = resources.enter_context(start_blocking_portal(backend_options=uvloop, name="insitu-engine"))
        # What still runs when the last user has left is cancelled, and not waited for.
        resources.callback(lambda: portal.call(portal.stop, True))
        resources.enter_context(portal.wrap_async_context_manager(engine))
        return SharedEngine(engine, portal, resources.pop_all())


def _closed() -> EngineClosed:
    return EngineClosed("this sandbox is closed, and its engine with it", hint="make a new insitu.Sandbox()")


@atexit.register
def _close_all() -> None:
    with _lock:
        while _engines:
            _engines.popitem()[1].close()
