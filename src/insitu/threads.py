"""Threads for functions that may never return."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

Value = TypeVar("Value")


class Call(Generic[Value]):
    """A function's call in a thread."""

    def __init__(self, function: Callable[[], Value]) -> None:
        self._function = function
        self._values: list[Value] = []
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Call the function, and keep what it returns or raises."""
        try:
            self._values.append(self._function())
        except BaseException as error:
            self._failure = error

    def value(self) -> Value:
        """What the function has returned.

        Raises:
            RuntimeError: if it was about to end the process.
        """
        if self._failure is None:
            return self._values[0]
        if isinstance(self._failure, Exception):
            raise self._failure
        # Such as SystemExit, which is to end a call, and not the program.
        raise RuntimeError(f"it ended by {type(self._failure).__name__}")


class Threads:
    """Runs functions in threads that nobody has to wait for: neither a call that is over, nor the process's end.

    Args:
        most: how many there may be; those that nobody waits for any more count as long as they live.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._alive = 0
        self._lock = Lock()

    def start(self, function: Callable[[], Value], ended: Callable[[], None]) -> Call[Value]:
        """Start a call.

        Args:
            ended: called in its thread when it is over.

        Raises:
            RuntimeError: if there are too many threads already.
        """
        with self._lock:
            if self._alive >= self._most:
                raise RuntimeError(f"{self._alive} earlier calls have not ended, although nobody waits for them")
            self._alive += 1
        call = Call(function)

        def run() -> None:
            call.run()
            with self._lock:
                self._alive -= 1
            ended()

        try:
            Thread(target=run, name="insitu-tool", daemon=True).start()
        except RuntimeError:  # the system gives no more
            with self._lock:
                self._alive -= 1
            raise
        return call

    async def run(self, function: Callable[[], Value], ended: Callable[[], None] | None = None) -> Value:
        """What the function returns.

        Args:
            ended: called in the event loop when it is over, though nobody may wait for it any more.

        Raises:
            RuntimeError: if there are too many threads already.
        """
        done, token = anyio.Event(), current_token()

        def finish() -> None:
            if ended is not None:
                ended()
            done.set()

        def tell() -> None:
            try:
                from_thread.run_sync(finish, token=token)
            except RuntimeError:
                pass  # the loop has ended

        try:
            call = self.start(function, tell)
        except RuntimeError:
            finish()
            raise
        await done.wait()
        return call.value()
