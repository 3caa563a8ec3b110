"""Threads for functions that may never return."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

Value = TypeVar("Value")


class _Call(Generic[Value]):
    def __init__(self, function: Callable[[], Value]) -> None:
        self._function = function
        self._values: list[Value] = []
        self._failure: BaseException | None = None
        self.done = anyio.Event()

    def run(self) -> None:
        try:
            self._values.append(self._function())
        except BaseException as error:
            self._failure = error

    def value(self) -> Value:
        if self._failure is None:
            return self._values[0]
        if isinstance(self._failure, Exception):
            raise self._failure
        # Such as SystemExit, which is to end a call, and not the server.
        raise RuntimeError(f"it ended by {type(self._failure).__name__}")


class Threads:
    """Runs functions in threads that nobody has to wait for: neither a call that is over, nor the process's end.

    Args:
        most: how many there may be; those that nobody waits for any more count as long as they live.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._alive = 0

    async def run(self, function: Callable[[], Value]) -> Value:
        """What the function returns.

        Raises:
            RuntimeError: if there are too many threads already.
        """
        if self._alive >= self._most:
            raise RuntimeError(f"{self._alive} earlier calls of it have not ended, although nobody waits for them")
        call, token = _Call(function), current_token()

        def finish() -> None:
            self._alive -= 1
            call.done.set()

        def run() -> None:
            call.run()
            try:
                from_thread.run_sync(finish, token=token)
            except RuntimeError:
                pass  # the loop has ended

        self._alive += 1
        Thread(target=run, name="insitu-tool", daemon=True).start()
        await call.done.wait()
        return call.value()
