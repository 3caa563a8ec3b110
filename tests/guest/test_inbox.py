"""What the host sends reaches whoever waits for it, in threads and on event loops, and nobody else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from insitu.guest import protocol
from insitu.guest.inbox import Inbox, Waiter
from insitu.guest.interrupts import Interrupts
from tests.support.waiting import wait_until


class Way:
    """An inbox, and the host's end of it."""

    def __init__(self) -> None:
        self.fd, self._far = os.pipe()
        self.inbox = Inbox(self.fd, 1 << 24, Interrupts(lambda: False).shield)

    def answer(self, *numbers: int, size: int = 1) -> None:
        frames = (protocol.numbered_frame(protocol.TOOL_RESULT, n, str(n).encode() * size) for n in numbers)
        self.send(b"".join(frames))

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._far, view) :]

    def expect(self, *numbers: int) -> list[Waiter]:
        return [self.inbox.expect(protocol.TOOL_RESULT, number) for number in numbers]

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._far)


@pytest.fixture
def way() -> Iterator[Way]:
    made = Way()
    yield made
    made.close()


def test_answers_find_their_threads_in_any_order(way: Way) -> None:
    waiters = way.expect(*range(20))
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(way.inbox.wait, waiter) for waiter in waiters]
        for number in reversed(range(20)):
            way.answer(number)
            assert waiting[number].result() == str(number).encode()


def test_threads_and_loops_wait_side_by_side(way: Way) -> None:
    async def await_all(first: int) -> dict[int, Any]:
        got: dict[int, Any] = {}

        async def wait(number: int) -> None:
            got[number] = await way.inbox.wait_async(*way.expect(number))

        async with anyio.create_task_group() as tasks:
            for number in range(first, first + 10):
                tasks.start_soon(wait, number)
        return got

    with ThreadPoolExecutor(12) as threads:
        loops = [threads.submit(anyio.run, await_all, n) for n in (100, 200)]
        waiting = [threads.submit(way.inbox.wait, waiter) for waiter in way.expect(*range(10))]
        wait_until(lambda: len(way.inbox._waiting) == 30)
        for number in range(10):
            way.answer(number, 100 + number, 200 + number)
        assert [each.result() for each in waiting] == [str(n).encode() for n in range(10)]
        wanted = [{n: str(n).encode() for n in range(first, first + 10)} for first in (100, 200)]
        assert [each.result() for each in loops] == wanted
    assert (way.inbox._waiting, way.inbox._asleep, way.inbox._loops, way.inbox._watcher) == ({}, {}, {}, None)


def test_large_answers_come_piece_by_piece(way: Way) -> None:
    waiters = way.expect(1, 2)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(way.inbox.wait, waiter) for waiter in waiters]
        way.send(protocol.frame(protocol.SEEN))
        way.answer(2, 1, size=8 << 20)
        assert [set(each.result() or b"") for each in waiting] == [set(b"1"), set(b"2")]
        assert [len(each.result() or b"") for each in waiting] == [8 << 20] * 2


def test_what_nobody_is_ready_for_is_dropped(way: Way) -> None:
    way.answer(1, 2)
    (second,) = way.expect(2)
    way.inbox.forget(second)
    (third,) = way.expect(3)
    way.answer(2, 3)
    assert way.inbox.wait(third) == b"3"
    assert (second.payload, second.over, way.inbox._waiting) == (None, False, {})


def test_who_still_waits_at_the_end_is_released(way: Way) -> None:
    waiters = way.expect(1, 2, 3)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(way.inbox.wait, waiter) for waiter in waiters]
        way.inbox.release()
        # The one that watches the descriptor looks again by and by; what comes wakes it at once.
        way.send(protocol.frame(protocol.SEEN))
        assert [each.result() for each in waiting] == [None] * 3


def test_a_request_is_received_whoever_takes_it_in(way: Way) -> None:
    request = protocol.json_frame(protocol.EXECUTE, {"a": 1}, b"code")
    (waiter,) = way.expect(1)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(way.inbox.wait, waiter)
        wait_until(lambda: way.inbox._watcher is not None)
        way.send(request * 2)
        assert [kind for kind, _ in [*way.inbox.receive(), *receive_rest(way)]] == [protocol.EXECUTE] * 2
        way.answer(1)
        assert waiting.result() == b"1"


def receive_rest(way: Way) -> list[protocol.Frame]:
    return way.inbox.receive() if way.inbox._requests else []


def test_while_requests_are_awaited_others_get_their_frames(way: Way) -> None:
    seen = way.inbox.expect(protocol.SEEN)
    with ThreadPoolExecutor(2) as threads:
        receiving = threads.submit(way.inbox.receive)
        waiting = threads.submit(way.inbox.wait, seen)
        way.send(protocol.frame(protocol.SEEN))
        assert waiting.result() == b""
        way.send(protocol.json_frame(protocol.EXECUTE, {}))
        assert len(receiving.result()) == 1


class Interrupted(BaseException):
    """What a signal raises."""


def interrupted_once() -> Callable[..., Any]:
    """A shield out of which an interrupt comes the second time that it is used: right after the watch was taken."""
    count = iter(range(1000))

    def shield(call: Callable[..., Any], *args: Any) -> None:
        call(*args)
        if next(count) == 0:
            raise Interrupted

    return shield


def test_an_interrupted_wait_leaves_the_watch_to_others(way: Way) -> None:
    way.inbox._shield = interrupted_once()
    first, second = way.expect(1, 2)
    with pytest.raises(Interrupted):
        way.inbox.wait(first)
    assert (way.inbox._watcher, list(way.inbox._waiting)) == (None, [(protocol.TOOL_RESULT, 2)])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(way.inbox.wait, second)
        way.answer(1, 2)
        assert waiting.result() == b"2"


def test_a_watch_that_an_interrupt_has_left_behind_is_taken_over_by_its_thread(way: Way) -> None:
    first, second = way.expect(1, 2)
    way.inbox._enter(first)  # and its thread never comes to leave it
    way.answer(1, 2)
    assert way.inbox.wait(second) == b"2"
    assert way.inbox._watcher is None


async def test_a_cancelled_wait_leaves_the_loop_as_it_was(way: Way) -> None:
    (waiter,) = way.expect(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(way.inbox.wait_async, waiter)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert not asyncio.get_running_loop().remove_reader(way.fd)
    assert (way.inbox._waiting, way.inbox._loops) == ({}, {})


async def nothing() -> None:
    pass


def test_an_answer_for_a_loop_that_is_closed_harms_nobody(way: Way) -> None:
    loop = asyncio.new_event_loop()
    first, second = way.expect(1, 2)
    waiting = loop.create_task(way.inbox.wait_async(first))
    loop.run_until_complete(nothing())
    held = way.inbox._waiting[first.key]
    waiting.cancel()
    loop.run_until_complete(asyncio.wait([waiting]))
    loop.close()
    way.inbox._waiting[first.key] = held
    way.answer(1, 2)
    assert way.inbox.wait(second) == b"2"
