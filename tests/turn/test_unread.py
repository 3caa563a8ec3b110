"""Streams that nobody reads: what they hold is bounded, and the first that held it is cut off."""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import httpx2
import pytest

from insitu.turn import jobs
from insitu.turn.jobs import Job, open_jobs
from insitu.turn.request import TurnRequest
from tests.support.model import ScriptedModel, broken, fail, say
from tests.support.responses import OUTPUTS, PYTHON, run
from tests.support.turns import Place
from tests.support.waiting import eventually

FIGURES = """
import os
class Figure:
    def _repr_png_(self): return b"\\x89PNG\\r\\n\\x1a\\n" + os.urandom(3_000_000)
display(Figure()); display(Figure())
"""


@contextmanager
def unread(place: Place, path: str, body: dict[str, object] | None = None) -> Iterator[socket.socket]:
    """A request whose answer nobody reads."""
    address, content = httpx2.URL(place.url), json.dumps(body).encode() if body else b""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.host, address.port))
        head = (
            f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        connection.sendall(head.encode() + content)
        connection.setblocking(False)
        yield connection


async def test_of_the_ended_that_are_still_read_the_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_UNREAD_BYTES", 250)

    async def work(job: Job) -> None:
        job.log.add(b"x" * 60)
        job.log.add(b"y" * 40)

    async with open_jobs() as all_jobs:
        begun = [all_jobs.start(str(number), "ann", work, request_id="req_1") for number in range(3)]
        for job in begun:
            await job.wait()
        first, second, third = begun
        async with aclosing(first.read()) as one, aclosing(second.read(1)) as two:
            assert (await anext(one), await anext(two)) == (b"x" * 60, b"y" * 40)
            assert len(all_jobs.unread) == 2
            async with aclosing(third.read()) as three:
                await anext(three)
                assert [job.forgotten.is_set() for job in begun] == [True, False, False]
            assert len(all_jobs.unread) == 1
        assert len(all_jobs.unread) == 0


async def test_a_stream_that_nobody_reads_is_cut_off_for_the_next(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_UNREAD_BYTES", 30_000_000)
    all_jobs = place.service.turns.jobs
    asked = {"model": "m", "input": "x", "stream": True, "include": OUTPUTS, "tools": [PYTHON]}
    model.script(run(FIGURES), say("x"), run(FIGURES), say("x"))
    with unread(place, "/v1/responses", asked):
        await eventually(lambda: len(all_jobs.unread) == 1)
        [first] = all_jobs.unread
        with unread(place, "/v1/responses", asked):
            await eventually(first.forgotten.is_set)
            await eventually(lambda: len(all_jobs.unread) == 1 and first not in all_jobs.unread)
    await eventually(lambda: len(all_jobs.unread) == 0)


async def test_a_response_that_is_over_is_gone_at_once(place: Place, model: ScriptedModel) -> None:
    with uncollected() as before:
        model.script(run("1"), say("x"), run("1"), say("x"))
        await place.ask()
        await place.events()
        await place.idle()
        await eventually(lambda: living() == before)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/responses", {"input": "x", "tools": [PYTHON]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "tools": [PYTHON]}),
        ("/v1beta/interactions", {"input": "x", "tools": [{"type": "code_execution"}]}),
    ],
)
async def test_what_a_failed_request_held_is_gone_at_once(
    place: Place, model: ScriptedModel, path: str, asked: dict[str, object]
) -> None:
    async with httpx2.AsyncClient(base_url=place.url) as client:
        with uncollected() as before:
            for stream in (False, True):
                model.script(fail(400), broken(say("It is a long story."), 3))
                for _ in range(2):
                    await client.post(path, json={"model": "m", "stream": stream, **asked})
            await place.idle()
            await eventually(lambda: living() == before)


@contextmanager
def uncollected() -> Iterator[int]:
    """What holds itself in circles stays; how many were there before."""
    gc.collect()
    gc.disable()
    try:
        yield living()
    finally:
        gc.enable()


def living() -> int:
    """How many jobs and requests there are in memory."""
    return sum(isinstance(each, Job | TurnRequest) for each in gc.get_objects())
