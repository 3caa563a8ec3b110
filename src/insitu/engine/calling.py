"""Calls that go both ways: a function that the host has called, and the tools that code calls on the host."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from ..errors import NotFound
from ..guest import protocol
from ..types import MIB
from .bulk import Bulk
from .claims import is_a
from .log import EventLog

# Of one call's arguments or result; of all together; and how many there may be, in all and at once.
MOST_BYTES = 8 * MIB
_MOST_TOGETHER, _MOST_CALLS, _MOST_PENDING = 16 * MIB, 10_000, 256
_LONGEST_NAME, _NUMBERS, _MOST_TOLD = 200, 1 << 32, 16 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is to be called, in place of code that is to be run.

    Args:
        source: a lambda, or code that ends in a function; empty if ``handler`` names one.
        handler: ``module.name`` of a function among the session's files.
        arguments: JSON: ``{"args": [...], "kwargs": {...}}``, in the forms of ``guest/values.py``.
    """

    source: str
    handler: str | None
    arguments: bytes

    def request(self) -> dict[str, Any]:
        """What the interpreter is told of it."""
        return {"handler": self.handler, "source_bytes": len(self.source.encode())}


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """What code gets in place of a value.

    Args:
        name: of the exception; one of Python's own is raised as that.
    """

    name: str
    message: str


Prepare = Callable[[dict[str, Any]], dict[str, Any] | ToolFailure]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as code sees it.

    Args:
        parameters: the JSON schema of its arguments, an object.
        pauses: whether the execution's clock stands still until the answer is there: it comes from the client.
        prepare: makes of the arguments that code gives those that the call has, or says why it may not be.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pauses: bool = False
    prepare: Prepare | None = None

    def declaration(self) -> dict[str, Any]:
        """What the interpreter is told of it."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that waits for its answer; ``number`` is what the guest calls it."""

    id: str
    number: int
    tool: ToolSpec


class Clock(Protocol):
    """The time that an execution has."""

    def pause(self, most_s: float) -> None:
        """Let it stand still, for so many seconds at the most."""

    def resume(self) -> None:
        """Let it go on."""

    def send(self, frame: bytes) -> None:
        """Send the interpreter a frame."""


class Slot:
    """A place among the executions that run; given back while one waits for its client."""

    def __init__(self, slots: anyio.Semaphore) -> None:
        self._slots = slots
        self._taking = anyio.Lock(fast_acquire=True)
        self._held = False

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self.give()

    async def take(self) -> None:
        """Wait for the place; who has it keeps it."""
        async with self._taking:
            if not self._held:
                await self._slots.acquire()
                self._held = True

    def give(self) -> None:
        """Leave it to others."""
        if self._held:
            self._held = False
            self._slots.release()


class ToolCalls:
    """The calls of one execution: taken in, within bounds, told in its log, and answered.

    Args:
        tools: what it may call.
        wait_s: how long a client may take with an answer, in seconds.
    """

    def __init__(self, tools: Sequence[ToolSpec], log: EventLog, clock: Clock, slot: Slot, wait_s: float) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._log, self._clock, self._slot, self._wait_s = log, clock, slot, wait_s
        self._pending: dict[str, Pending] = {}
        self._bytes = self._count = 0
        self._bulk = Bulk()

    @property
    def paused(self) -> Sequence[Pending]:
        """The calls for whose sake the clock stands still."""
        return [call for call in self._pending.values() if call.tool.pauses]

    def take(self, payload: bytes) -> None:
        """Take in a call.

        Raises:
            ProtocolError: if no honest interpreter sends that.
        """
        if len(payload) > MOST_BYTES:
            raise protocol.ProtocolError(f"a call of a tool has {len(payload)} bytes")
        self._count += 1
        self._bytes += len(payload)
        swells = self._bulk.add(payload)
        body, text = protocol.parse_json(payload)
        number, name = body.get("number"), str(body.get("name"))[:_LONGEST_NAME]
        if not is_a(number, int) or not 0 < number < _NUMBERS:
            raise protocol.ProtocolError("a call of a tool has no number")
        tool = self._tools.get(name)
        refusal = self._refusal(name, swells)
        if refusal is not None or tool is None:
            return self._send(number, refusal)
        arguments = _parsed(text) if tool.prepare is None else tool.prepare(_parsed(text))
        if isinstance(arguments, ToolFailure):
            return self._send(number, arguments)
        self._begin(Pending(f"call_{secrets.token_hex(16)}", number, tool), arguments)

    def _refusal(self, name: str, swells: bool) -> ToolFailure | None:
        if self._bytes > _MOST_TOGETHER or swells:
            return ToolFailure("MemoryError", f"all calls of an execution may have {_MOST_TOGETHER >> 20} MiB together")
        if self._count > _MOST_CALLS:
            return ToolFailure("RuntimeError", f"an execution may call tools {_MOST_CALLS} times")
        if len(self._pending) >= _MOST_PENDING:
            return ToolFailure("RuntimeError", f"{_MOST_PENDING} calls wait for their answers already")
        if name not in self._tools:
            return ToolFailure("LookupError", f"there is no tool {name!r} for this code")
        return None

    def _begin(self, call: Pending, arguments: dict[str, Any]) -> None:
        self._pending[call.id] = call
        if call.tool.pauses:
            self._clock.pause(self._wait_s)
            self._slot.give()
        self._log.append("tool_call", {"call_id": call.id, "name": call.tool.name, "arguments": arguments})

    async def answer(self, call_id: str, answer: object) -> None:
        """Give a call its answer: a value in JSON's types, or a ``ToolFailure``.

        Raises:
            NotFound: if no call waits under this id.
        """
        call = self._pending.get(call_id)
        if call is not None and [call] == self.paused:
            await self._slot.take()  # the code goes on with it
        if self._pending.pop(call_id, None) is None or call is None:
            raise NotFound(f"no call {call_id!r} waits for an answer", hint="it has been answered, or was given up")
        if call.tool.pauses and not self.paused:
            self._clock.resume()
        self._log.append("tool_result", {"call_id": call.id, "name": call.tool.name, **_told(answer)})
        self._send(call.number, answer)

    async def give_up(self) -> None:
        """Answer, in their client's stead, the calls for whom the clock stands still."""
        failure = ToolFailure("TimeoutError", f"nobody answered within {self._wait_s:g} s")
        for call in self.paused:
            with contextlib.suppress(NotFound):
                await self.answer(call.id, failure)

    def _send(self, number: int, answer: object) -> None:
        text = _encoded(answer)
        if len(text) > MOST_BYTES:
            text = _encoded(ToolFailure("MemoryError", f"the answer has {len(text)} bytes, over {MOST_BYTES}"))
        self._clock.send(protocol.frame(protocol.TOOL_RESULT, protocol.NUMBER.pack(number) + text))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        arguments = json.loads(text, parse_int=protocol.bounded_int, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict) or protocol.is_deep(arguments):
        raise protocol.ProtocolError("the arguments of a call are no object")
    return arguments


def _encoded(answer: object) -> bytes:
    body = _failure(answer) if isinstance(answer, ToolFailure) else {"value": answer}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _told(answer: object) -> dict[str, Any]:
    """What the log keeps of an answer: it is there for people to read."""
    if isinstance(answer, ToolFailure):
        return _failure(answer)
    size = len(text := _encoded(answer))
    return {"value": answer} if size <= _MOST_TOLD else {"clipped": text[:_MOST_TOLD].decode("utf-8", "replace")}


def _failure(failure: ToolFailure) -> dict[str, Any]:
    return {"error": {"name": failure.name, "message": failure.message}}
