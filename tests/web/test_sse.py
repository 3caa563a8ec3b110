"""How the parts of a stream go out."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import pytest
from starlette.types import Message

from insitu.web.encoding import dumps
from insitu.web.sse import Writer, encode, encode_unnamed


class Sent:
    """What a server was given to send; it can be held up, as by a client that does not read."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.starts = 0
        self.reading = anyio.Event()
        self.reading.set()

    async def __call__(self, message: Message) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.starts += 1
        else:
            self.bodies.append(message["body"])


@pytest.mark.parametrize("event", [lambda data: encode("message", data, 1), encode_unnamed])
def test_whatever_an_event_holds_it_has_one_line_of_data(event: Callable[[bytes], bytes]) -> None:
    told = "".join(map(chr, range(0x3000))) + "\N{GRINNING FACE}"
    *others, last, end = event(dumps({"told": told})).decode().splitlines()
    assert (len(others), end) == (2 * (event is not encode_unnamed), "")
    assert json.loads(last.removeprefix("data: ")) == {"told": told}


async def test_parts_that_come_in_one_go_are_sent_as_one() -> None:
    sent = Sent()
    writer = Writer(sent)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.send_written)
        for part in (b"a", b"b", b"c"):
            await writer.write(part)
        assert sent.bodies == []
        await anyio.wait_all_tasks_blocked()
        assert sent.bodies == [b"abc"]
        await writer.write(b"d")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert (sent.starts, sent.bodies) == (1, [b"abc", b"d"])


async def test_the_end_sends_what_is_held() -> None:
    sent = Sent()
    writer = Writer(sent)
    await writer.write(b"a")
    await writer.end()
    assert (sent.starts, sent.bodies) == (1, [b"a", b""])


async def test_a_stream_without_parts_has_headers_and_an_end() -> None:
    sent = Sent()
    await Writer(sent).end()
    assert (sent.starts, sent.bodies) == (1, [b"", b""])


async def test_whoever_writes_much_waits_for_the_client() -> None:
    sent = Sent()
    sent.reading = anyio.Event()
    writer = Writer(sent)
    written: list[int] = []

    async def write() -> None:
        for number in range(3):
            await writer.write(b"x" * 40_000)
            written.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert written == [0]
        sent.reading.set()
    await writer.end()
    assert written == [0, 1, 2]
    assert b"".join(sent.bodies) == b"x" * 120_000
