"""Top-level await: one event loop for all cells."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import warnings
from collections.abc import Coroutine
from types import CodeType
from typing import Any


class CellLoop:
    """Runs cells that await, on one event loop, so that a task can go on in the next such cell."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def run(self, codes: list[CodeType], namespace: dict[str, Any]) -> Any:
        """Run code objects one after the other, awaiting those that are coroutines; return the last value."""
        contexts: list[contextvars.Context] = []
        return self._complete(self._main(codes, namespace, contexts), contexts)

    def complete(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine; return what it comes to."""
        contexts: list[contextvars.Context] = []
        return self._complete(self._await(coroutine, contexts), contexts)

    def _complete(self, main: Coroutine[Any, Any, Any], contexts: list[contextvars.Context]) -> Any:
        loop = self._open()
        self._cancelled = False
        try:
            return loop.run_until_complete(main)
        except asyncio.CancelledError as error:
            if not self._cancelled:
                raise
            interrupt = KeyboardInterrupt().with_traceback(_origin(error).__traceback__)
        finally:
            self._leave()
            _adopt(contexts)
        raise interrupt from None

    def cancel(self) -> bool:
        """Cancel the cell that awaits; return False if it computes, or has been cancelled before."""
        if self._task is None or self._loop is None or self._cancelled:
            return False
        if asyncio.current_task(self._loop) is not None:
            return False
        self._cancelled = True
        self._task.cancel()
        self._loop.call_soon_threadsafe(lambda: None)
        return True

    def _open(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._loop.is_closed():
            self._loop = _current_loop() or asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        return self._loop

    async def _main(self, codes: list[CodeType], namespace: dict[str, Any], contexts: list[contextvars.Context]) -> Any:
        self._task = asyncio.current_task()
        value = None
        try:
            for code in codes:
                value = eval(code, namespace)
                if code.co_flags & 0x80:
                    value = await value
        finally:
            contexts.append(contextvars.copy_context())
        return value

    async def _await(self, coroutine: Coroutine[Any, Any, Any], contexts: list[contextvars.Context]) -> Any:
        self._task = asyncio.current_task()
        try:
            return await coroutine
        finally:
            contexts.append(contextvars.copy_context())

    def _leave(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()


def _origin(error: BaseException) -> BaseException:
    """Return the error that was raised where the code awaited, which Python up to 3.10 wraps in others."""
    while sys.version_info < (3, 11):
        wrapped = error.__context__
        if not isinstance(wrapped, asyncio.CancelledError):
            break
        error = wrapped
    return error


def _current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that the code may have asked for before, so that its tasks and ours share one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return None
    return None if loop.is_closed() else loop


def _adopt(contexts: list[contextvars.Context]) -> None:
    # A task has its own copy of the context; what a cell sets, numpy's print options for one, is to last.
    for context in contexts:
        for variable, value in context.items():
            if variable.get(None) is not value:
                variable.set(value)
