"""Running code: plainly, with listeners, or with functions of this program that it may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from . import answering

if TYPE_CHECKING:
    from insitu.options import Listeners
    from insitu.types import Execution

    from .calls import Call
    from .tools import Functions
    from .transport import AsyncTransport, Transport


class RunCode(Protocol):
    """The request, as a stream or not."""

    def __call__(self, *, stream: bool = False) -> Call[Execution]: ...


def run(transport: Transport, call: RunCode, listeners: Listeners, client_tools: Functions) -> Execution:
    """Run code, by a stream only where somebody wants to hear of what happens."""
    if client_tools:
        return answering.run(transport, call(stream=True), client_tools, listeners)
    if listeners:
        return listeners.follow(transport.events(call(stream=True)))
    return transport.send(call())


async def run_async(
    transport: AsyncTransport, call: RunCode, listeners: Listeners, client_tools: Functions
) -> Execution:
    """The same from an event loop."""
    if client_tools:
        return await answering.run_async(transport, call(stream=True), client_tools, listeners)
    if listeners:
        return await listeners.follow_async(transport.events(call(stream=True)))
    return await transport.send(call())
