"""What may run, and whether there is room for it: bounds, shares, the queue, and the way to stop."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import anyio

from ..errors import EngineClosed, InvalidRequest, QuotaExceeded, ServerFull, TooLarge
from ..settings import Settings
from .execution import RunningExecution
from .paused import Paused
from .session import Session
from .slots import Slot, Slots
from .task import Task

_SESSIONS_HINT = "end some that you do not need; functions and maps that run count as well"


class Admission:
    """Counts what is under way, and lets in nobody for whom there is no room.

    Args:
        settings: where the bounds stand.

    An execution holds one of the ``slots`` while it runs; those that were let in and hold none are the queue. What
    waits for its client is ``paused``, and counts apart.
    """

    def __init__(self, settings: Settings) -> None:
        self.state: Literal["closed", "open", "closing"] = "closed"
        self.paused = Paused(settings, self._tell)
        self.sandboxes = 0
        self._listeners: list[Callable[[], None]] = []
        self._settings = settings
        self._slots = Slots(settings.max_executions)
        self._admitted = 0
        self._admitted_of: Counter[str] = Counter()
        self._sessions_of: Counter[str] = Counter()
        self._idle = anyio.Event()

    @property
    def running(self) -> int:
        """How many executions run now: without those that wait for room, for their turn or for their client."""
        return self._slots.running

    @property
    def executions(self) -> int:
        """How many wait or run, without those that wait for their client."""
        return self._admitted - self.paused.count

    def slot(self, owner: str) -> Slot:
        """A place for an execution of this owner, which it has yet to take."""
        return Slot(self._slots, self.paused, owner)

    def _executions_of(self, owner: str) -> int:
        return self._admitted_of[owner] - self.paused.count_of[owner]

    def has_room(self, owner: str) -> bool:
        """Whether one more execution of this owner would be let in."""
        if self.state != "open" or self.executions >= self._settings.max_executions + self._settings.queue_size:
            return False
        return self._executions_of(owner) < self._settings.max_executions_per_owner

    def has_session_room(self, owner: str) -> bool:
        """Whether one more session of this owner would be let in."""
        return self._sessions_of[owner] < self._settings.max_sessions_per_owner

    def has_sandbox_room(self) -> bool:
        """Whether one more sandbox would be."""
        return self.sandboxes < self._settings.max_sessions

    def check(self, task: Task) -> None:
        """Refuse what cannot be done.

        Raises:
            InvalidRequest: if the code cannot be Python source, or a value is out of range.
            TooLarge: if there is too much code.
        """
        _check_code(task.what if isinstance(task.what, str) else task.what.source, self._settings.code_bytes)
        check_variables(task.env_vars)
        self._settings.within_ceiling("timeout_s", task.timeout_s)

    def admit_execution(self, session: Session | None, running: RunningExecution, owner: str) -> None:
        """Give an execution its place in the queue.

        Raises:
            ServerFull: if the queue is full, or the engine is stopping.
            QuotaExceeded: if the owner's share or the session's queue is.
        """
        self._check_open()
        most = self._settings.max_executions + self._settings.queue_size
        if self.executions >= most:
            raise ServerFull(
                f"{self.executions} executions run or wait, and {most} is the most",
                hint="try again in a while; the settings max_executions and queue_size set the bound",
            )
        share = self._settings.max_executions_per_owner
        if self._executions_of(owner) >= share:
            raise QuotaExceeded(
                f"{share} of your executions run or wait, the most for one key", hint="wait for some of them to end"
            )
        if session is not None:
            session.enqueue(running)
        self._admitted += 1
        self._admitted_of[owner] += 1

    def dismiss_execution(self, session: Session | None, running: RunningExecution, owner: str) -> None:
        """Take the place of an execution that is over."""
        self._admitted -= 1
        _discount(self._admitted_of, owner)
        if session is not None:
            session.leave(running)
        if not self._admitted:
            self._idle.set()
        self._tell()

    def admit_session(self, owner: str) -> None:
        """Count one more session of this owner.

        Raises:
            ServerFull: if the engine is stopping.
            QuotaExceeded: if the owner has too many.
        """
        self._check_open()
        most = self._settings.max_sessions_per_owner
        if self._sessions_of[owner] >= most:
            raise QuotaExceeded(f"you have {most} sessions, the most for one key", hint=_SESSIONS_HINT)
        self._sessions_of[owner] += 1

    def dismiss_session(self, owner: str) -> None:
        """Count one less."""
        _discount(self._sessions_of, owner)
        self._tell()

    def admit_sandbox(self) -> None:
        """Count one more sandbox that is in use.

        Raises:
            ServerFull: if there are too many.
        """
        if self.sandboxes >= self._settings.max_sessions:
            raise ServerFull(f"{self.sandboxes} sessions are alive, and {self._settings.max_sessions} is the most")
        self.sandboxes += 1

    def dismiss_sandbox(self) -> None:
        """Count one less."""
        self.sandboxes -= 1
        self._tell()

    async def drain(self, timeout_s: float) -> None:
        """Let nobody in any more, and wait for what runs, ``timeout_s`` seconds at the most."""
        self.state = "closing"
        with anyio.move_on_after(timeout_s):
            while self._admitted:
                self._idle = anyio.Event()
                await self._idle.wait()

    @contextlib.contextmanager
    def telling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call something whenever there may be more room, for as long as the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _check_open(self) -> None:
        if self.state == "closed":
            raise EngineClosed("the engine is not running", hint="use it within its `async with` block")
        if self.state == "closing":
            raise ServerFull("the server is stopping", hint="ask another one, or again in a while", retry_after_s=5)


def check_variables(env_vars: Mapping[str, str]) -> None:
    """Refuse what no process could have in its environment.

    Raises:
        InvalidRequest: and names the variable.
    """
    for name, value in env_vars.items():
        if not name or "=" in name or "\0" in name + value:
            raise InvalidRequest(f"the environment variable {name!r} has an impossible name or value")


def _check_code(code: str, most: int) -> None:
    if "\0" in code:
        raise InvalidRequest("the code has a NUL byte, which Python cannot compile")
    try:
        size = len(code.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the code is not valid Unicode: {error.reason}") from None
    if size > most:
        raise TooLarge(f"the code has {size} bytes; at most {most} are taken", hint="put data into files")


def _discount(counts: Counter[str], owner: str) -> None:
    # Owners come and go: none is kept for a count of nothing.
    counts[owner] -= 1
    if not counts[owner]:
        del counts[owner]
