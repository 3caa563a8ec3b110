"""A network that takes its time: ``python -m benchmarks.link MS PORT …`` says which ports lead to those, far away.

What goes one way arrives half a round trip later, and in order; nothing is lost, and nothing waits for anything else.
The first bytes of a connection come one round trip later still, because TCP's handshake goes before them. There is no
bandwidth, no slow start and no TLS: each would cost who makes more requests more.
"""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import anyio
from anyio.abc import ByteReceiveStream, SocketAttribute, SocketStream
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .children import tell


@asynccontextmanager
async def leading_to(port: int, round_trip_s: float) -> AsyncIterator[int]:
    """A port of this machine that is so far away from another one."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, partial(_connect, port, round_trip_s))
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def _connect(port: int, round_trip_s: float, near: SocketStream) -> None:
    open_at = anyio.current_time() + round_trip_s
    async with near, await anyio.connect_tcp("127.0.0.1", port) as far, anyio.create_task_group() as tasks:
        tasks.start_soon(_carry, near, far, round_trip_s / 2, open_at)
        tasks.start_soon(_carry, far, near, round_trip_s / 2, open_at)


async def _carry(source: ByteReceiveStream, target: SocketStream, delay_s: float, open_at: float) -> None:
    sender, receiver = anyio.create_memory_object_stream[tuple[float, bytes]](math.inf)
    async with sender, receiver, anyio.create_task_group() as tasks:
        tasks.start_soon(_send_off, source, sender, delay_s, open_at)
        tasks.start_soon(_deliver, receiver, target)


async def _send_off(
    source: ByteReceiveStream, sender: MemoryObjectSendStream[tuple[float, bytes]], delay_s: float, open_at: float
) -> None:
    data = b"more"
    while data:
        try:
            data = await source.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            data = b""
        sender.send_nowait((max(anyio.current_time(), open_at) + delay_s, data))


async def _deliver(receiver: MemoryObjectReceiveStream[tuple[float, bytes]], target: SocketStream) -> None:
    try:
        async for due, data in receiver:
            await anyio.sleep_until(due)
            if not data:
                await target.aclose()
                return
            await target.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # whoever should get it has gone


def main(round_trip_ms: float, *ports: int) -> None:
    """Lead to these ports until nobody wants it any more."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        ways = (portal.wrap_async_context_manager(leading_to(port, round_trip_ms / 1000)) for port in ports)
        tell([stack.enter_context(way) for way in ways])


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(int, sys.argv[2:]))
