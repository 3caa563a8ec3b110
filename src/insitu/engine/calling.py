"""The tools that code calls on the host: each call is taken in, told, and answered."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from ..errors import NotFound
from ..guest import protocol
from ..types import MIB
from .answers import MOST_BYTES as MOST_BYTES
from .answers import Telling, ToolFailure, encoded
from .bulk import Bulk
from .claims import is_a
from .log import EventLog
from .slots import Slot
from .task import ToolSpec

# Arguments of all calls of an execution, in bytes; how many calls there may be, in all and at once.
_MOST_TOGETHER, _MOST_CALLS, _MOST_PENDING = 16 * MIB, 10_000, 256
# Answers that code has not read yet, in bytes; and how long after its first call an execution may still be paused.
_MOST_UNREAD, _LONGEST_S = 64 * MIB, 24 * 3600.0
_LONGEST_NAME = 200
# Processor time on the event loop that the preparing of all calls of an execution may take.
_MOST_PREPARING_S = 1.0


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that waits for its answer.

    Args:
        number: what the guest calls it.
        until: when it is given up if it pauses the execution, by the event loop's clock.
    """

    id: str
    number: int
    tool: ToolSpec
    until: float


class Clock(Protocol):
    """The time that an execution has, and the way to its interpreter."""

    @property
    def unsent(self) -> int:
        """How many bytes the interpreter has not taken yet."""

    def pause(self, until: float) -> None:
        """Let it stand still, until then at the most."""

    def resume(self) -> None:
        """Let it go on."""

    def send(self, frame: bytes) -> None:
        """Send the interpreter a frame."""


class ToolCalls:
    """The calls of one execution: taken in, within bounds, told in its log, and answered.

    Args:
        tools: what it may call.
        wait_s: how long a client may take with an answer, in seconds.
    """

    def __init__(self, tools: Sequence[ToolSpec], log: EventLog, clock: Clock, slot: Slot, wait_s: float) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._log, self._clock, self._slot, self._wait_s = log, clock, slot, wait_s
        self._latest = self._preparing_s = 0.0
        self._pending: dict[str, Pending] = {}
        self._expired: frozenset[str] = frozenset()
        self._resuming: anyio.Lock | None = None
        self._bytes = self._count = 0
        self._bulk = Bulk()
        self._telling = Telling()

    @property
    def paused(self) -> Sequence[Pending]:
        """The calls for whose sake the clock stands still."""
        return [call for call in self._pending.values() if call.tool.pauses]

    @property
    def most_bytes(self) -> int:
        """How much an honest call has at the most."""
        return MOST_BYTES if self._tools else 0

    def take(self, payload: bytes) -> None:
        """Take in a call.

        Raises:
            ProtocolError: if no honest interpreter sends that.
        """
        if len(payload) > MOST_BYTES:
            raise protocol.ProtocolError(f"a call of a tool has {len(payload)} bytes")
        number, text = protocol.parse_number(payload)
        # Charged before it is parsed: what has no room costs the host no more than its bytes.
        refusal = self._excess(text)
        if refusal is not None:
            return self._send(number, encoded(refusal))
        body = protocol.parse_object(text)
        name, arguments = body.get("name"), body.get("arguments")
        if not is_a(name, str) or not is_a(arguments, dict) or protocol.is_deep(arguments):
            raise protocol.ProtocolError("a call of a tool has no name, or no arguments")
        self._begin(number, name, arguments, len(text))

    def _excess(self, text: bytes) -> ToolFailure | None:
        self._count += 1
        self._bytes += len(text)
        if self._bytes > _MOST_TOGETHER or self._bulk.add(text):
            return ToolFailure("MemoryError", f"all calls of an execution may have {_MOST_TOGETHER >> 20} MiB together")
        if self._count > _MOST_CALLS:
            return ToolFailure("RuntimeError", f"an execution may call tools {_MOST_CALLS} times")
        if len(self._pending) >= _MOST_PENDING:
            return ToolFailure("RuntimeError", f"{_MOST_PENDING} calls wait for their answers already")
        return None

    def _begin(self, number: int, name: str, given: dict[str, Any], size: int) -> None:
        tool = self._tools.get(name)
        if tool is None:
            refusal = ToolFailure("LookupError", f"there is no tool {name[:_LONGEST_NAME]!r} for this code")
            return self._send(number, encoded(refusal))
        arguments = self._prepared(tool, given)
        if isinstance(arguments, ToolFailure):
            return self._send(number, encoded(arguments))
        if tool.pauses and (why := self._slot.pause(self._log.weight() + size)) is not None:
            return self._send(number, encoded(ToolFailure("RuntimeError", why)))
        now = anyio.current_time()
        self._latest = self._latest or now + _LONGEST_S
        until = min(now + self._wait_s, self._latest)
        call = Pending(f"call_{secrets.token_hex(16)}", number, tool, until)
        self._pending[call.id] = call
        if tool.pauses:
            self._set_clock()
        self._log.append("tool_call", {"call_id": call.id, "name": tool.name, "arguments": arguments})

    def _prepared(self, tool: ToolSpec, given: dict[str, Any]) -> dict[str, Any] | ToolFailure:
        if tool.prepare is None:
            return given
        if self._preparing_s >= _MOST_PREPARING_S:
            took = f"checking the arguments of this execution's calls took {_MOST_PREPARING_S:g} s"
            return ToolFailure("RuntimeError", f"{took}, which is the most: call fewer, or pass simpler arguments")
        began = time.thread_time()
        try:
            return tool.prepare(given)
        finally:
            self._preparing_s += time.thread_time() - began

    async def answer(self, call_id: str, answer: object) -> None:
        """Give a call its answer: a value in JSON's types, or a ``ToolFailure``.

        What the clock stands still for goes on when there is a place for it among the executions that run.

        Raises:
            NotFound: if no call waits under this id, or none does any more.
        """
        text = encoded(answer)
        call = self._find(call_id)
        if not call.tool.pauses:
            return self._settle(call, text)
        self._resuming = self._resuming or anyio.Lock(fast_acquire=True)
        async with self._resuming:
            try:
                if self.paused == [self._find(call_id)]:
                    await self._slot.take()  # the code goes on with it
                self._settle(self._find(call_id), text)
            finally:
                if self.paused:  # by others that have come meanwhile
                    self._slot.give()

    def _find(self, call_id: str) -> Pending:
        if call_id not in self._pending:
            raise NotFound(f"no call {call_id!r} waits for an answer", hint="it has been answered, or was given up")
        return self._pending[call_id]

    def _settle(self, call: Pending, text: bytes) -> None:
        del self._pending[call.id]
        if call.tool.pauses:
            self._set_clock()
        text = self._within_room(text)
        self._log.append("tool_result", {"call_id": call.id, "name": call.tool.name, **self._telling.of(text)})
        self._send(call.number, text)

    def _set_clock(self) -> None:
        if paused := self.paused:
            self._clock.pause(min((call.until for call in paused if call.id not in self._expired), default=math.inf))
        else:
            self._clock.resume()
            self._slot.resume()

    async def give_up(self) -> None:
        """Answer, in their client's stead, the calls that it has had its time for."""
        now = anyio.current_time()
        self._expired = frozenset(call.id for call in self.paused if call.until <= now)
        failure = ToolFailure("TimeoutError", f"nobody answered within {self._wait_s:g} s")
        try:
            self._set_clock()
            for call_id in self._expired:
                with contextlib.suppress(NotFound):
                    await self.answer(call_id, failure)
        finally:
            self._expired = frozenset()

    def close(self) -> None:
        """Forget what waits: the code is over, and its interpreter may be gone."""
        self._pending.clear()

    def _within_room(self, text: bytes) -> bytes:
        unread = self._clock.unsent
        if unread + len(text) <= _MOST_UNREAD:
            return text
        message = f"{unread} bytes of answers wait for the code to read them; at most {_MOST_UNREAD} do"
        return encoded(ToolFailure("MemoryError", f"{message}: call fewer at once"))

    def _send(self, number: int, text: bytes) -> None:
        self._clock.send(protocol.numbered_frame(protocol.TOOL_RESULT, number, text))
