"""Invocations that run in the background, from their acceptance to their end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from insitu.errors import InvocationFailed
from insitu.types import EventKind, Invocation, InvocationEvent

from .answers import told
from .calls import Call
from .function_calls import invocation, returned_by
from .transport import AsyncTransport, Transport

_END = "the invocation's end"


@dataclass(frozen=True, slots=True)
class ClientInvocation:
    """An invocation in the background; it goes on whether anybody waits for it or not."""

    _transport: Transport = field(repr=False)
    function: str
    id: str

    def info(self) -> Invocation:
        """What has become of it by now."""
        return self._transport.send(self._call())

    def stream(self) -> Generator[InvocationEvent]:
        """What happens, as it happens, from its start on; closing this early leaves it running."""
        return self._transport.follow(self._call(stream=True), _event, _END)

    def wait(self) -> Invocation:
        """All of it, once it has ended, however that was."""
        ended: Invocation | None = None
        with closing(self.stream()) as events:
            for event in events:
                ended = event.invocation or ended
        return _whole(ended)

    def result(self) -> Any:
        """What it returned, once it has ended.

        Raises:
            InvocationFailed: if it did not return.
        """
        return _value(self.wait())

    def _call(self, *, stream: bool = False) -> Call[Invocation]:
        return invocation(self.function, self.id, stream=stream)


@dataclass(frozen=True, slots=True)
class AsyncClientInvocation:
    """An invocation in the background; it goes on whether anybody waits for it or not."""

    _transport: AsyncTransport = field(repr=False)
    function: str
    id: str

    async def info(self) -> Invocation:
        """What has become of it by now."""
        return await self._transport.send(self._call())

    def stream(self) -> AsyncGenerator[InvocationEvent]:
        """What happens, as it happens, from its start on; closing this early leaves it running."""
        return self._transport.follow(self._call(stream=True), _event, _END)

    async def wait(self) -> Invocation:
        """All of it, once it has ended, however that was."""
        ended: Invocation | None = None
        async with aclosing(self.stream()) as events:
            async for event in events:
                ended = event.invocation or ended
        return _whole(ended)

    async def result(self) -> Any:
        """What it returned, once it has ended.

        Raises:
            InvocationFailed: if it did not return.
        """
        return _value(await self.wait())

    def _call(self, *, stream: bool = False) -> Call[Invocation]:
        return invocation(self.function, self.id, stream=stream)


def _event(sse: httpx2.ServerSentEvent) -> InvocationEvent:
    body = told(sse)
    ended = returned_by(body) if sse.event == "finished" else None
    return InvocationEvent(int(sse.id or 0), cast(EventKind, sse.event), body, ended)


def _whole(ended: Invocation | None) -> Invocation:
    assert ended is not None, "a stream that does not end with `finished` raises"
    return ended


def _value(ended: Invocation) -> Any:
    if not ended.ok:
        raise InvocationFailed(ended)
    return ended.result
