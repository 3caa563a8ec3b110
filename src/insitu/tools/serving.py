"""Answering the calls of one execution."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from ..engine import RunningExecution, ToolFailure
from ..errors import InsituError, NotFound
from ..guest.values import NotEncodable
from .base import Tool
from .places import NoPlace, Place, Places
from .rates import Gauge

_log = logging.getLogger("insitu.tools")
_LONGEST_MESSAGE = 2000
# How long a call waits for a place, in time-outs: all that run now have ended by then, or been given up.
_WAITS = 2

# Takes out of a message what must not leave the host.
Redact = Callable[[str], str]


class BoundedTool:
    """A tool whose calls are let in within its bounds."""

    def __init__(self, tool: Tool, redact: Redact) -> None:
        self.tool = tool
        self._redact = redact
        self._places = Places(tool.bounds.at_once, _WAITS * tool.bounds.timeout_s)
        self._gauge = Gauge(tool.bounds.rate) if tool.bounds.rate else None

    @property
    def name(self) -> str:
        """The tool's."""
        return self.tool.name

    async def answer(self, arguments: Mapping[str, Any], owner: str) -> Any:
        """What the tool answers, or a ``ToolFailure``."""
        name, bounds = self.tool.name, self.tool.bounds
        if self._gauge and bounds.rate and (wait_s := self._gauge.take(owner)):
            allowed = f"{bounds.rate.calls} times in {bounds.rate.seconds:g} s"
            return ToolFailure("RuntimeError", f"{name} may be called {allowed}; again in {wait_s:.2g} s")
        try:
            async with self._places.place(owner) as place:
                # By hand, since a tool may raise a TimeoutError of its own.
                with anyio.move_on_after(bounds.timeout_s):
                    return await self._called(arguments, place)
        except NoPlace as error:
            return ToolFailure(error.name, f"{name} {error.why}")
        return ToolFailure("TimeoutError", f"{name} did not answer within {bounds.timeout_s:g} s")

    async def _called(self, arguments: Mapping[str, Any], place: Place) -> Any:
        try:
            return await self.tool.call(arguments, place)
        except InsituError as error:
            return self._failure("ValueError", error.message)
        except NotEncodable as error:
            return self._failure("TypeError", f"what {self.tool.name} has returned: {error}")
        except Exception as error:
            _log.info("the tool %s failed", self.tool.name, exc_info=error)
            return self._failure(type(error).__name__, _message(error))

    def _failure(self, name: str, message: str) -> ToolFailure:
        # The beginning alone: what an exception holds can be as long as what it is about.
        return ToolFailure(name, self._redact(message)[:_LONGEST_MESSAGE])


async def serve(running: RunningExecution, tools: Sequence[BoundedTool], owner: str) -> None:
    """Answer the calls of these tools until the execution ends; then what is still under way is cancelled."""
    by_name = {bounded.name: bounded for bounded in tools}
    async with anyio.create_task_group() as tasks:
        async for event in running.log.read():
            if event.kind == "tool_call" and event.data["name"] in by_name:
                tasks.start_soon(_serve_one, running, by_name[event.data["name"]], event.data, owner)
        tasks.cancel_scope.cancel()


async def _serve_one(running: RunningExecution, bounded: BoundedTool, call: Mapping[str, Any], owner: str) -> None:
    try:
        await running.answer(call["call_id"], await bounded.answer(call["arguments"], owner))
    except NotFound:
        pass  # the execution has ended
    except Exception:
        # A defect of ours: it must not end the calls of all others with this one.
        _log.exception("a call of %s failed", bounded.tool.name)


def _message(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def redacting(secrets: Sequence[str]) -> Redact:
    """A function that takes these out of messages."""
    # Short ones are in every other word.
    known = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)

    def redact(message: str) -> str:
        for secret in known:
            message = message.replace(secret, "[secret]")
        return message

    return redact
