"""Many turns at once: each gets its own answer, and none waits for another's reader."""

from __future__ import annotations

import json
import socket
from typing import Any

import anyio
import pytest

from insitu.errors import FileMissing
from tests.support.model import Json, ScriptedModel, say
from tests.support.responses import ASKED, PYTHON, logs, run
from tests.support.steps import Step
from tests.support.turns import Place, begun
from tests.support.waiting import eventually

UNTIL_TOLD = "print('up', flush=True)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n'done'"


def by_the_question(body: Json) -> Step:
    """Runs the last question, and then says what came of it."""
    last = body["messages"][-1]
    return run(last["content"]) if last["role"] == "user" else say(last["content"])


async def answers(place: Place, asked: list[dict[str, Any]]) -> list[str]:
    """What is answered to questions that are asked at once."""
    found: dict[int, str] = {}

    async def ask(number: int, fields: dict[str, Any]) -> None:
        found[number] = (await place.ask(**fields)).output_text

    async with anyio.create_task_group() as tasks:
        for number, fields in enumerate(asked):
            tasks.start_soon(ask, number, fields)
    return [found[number] for number in range(len(asked))]


async def test_many_turns_at_once_get_their_own_answers(place: Place, model: ScriptedModel) -> None:
    model.script(*[by_the_question] * 40)
    codes = [f"mine = {number}; {number} * 2" for number in range(20)]
    assert await answers(place, [{"input": code} for code in codes]) == [str(number * 2) for number in range(20)]
    assert len(place.service.engine.sessions()) == 20


@pytest.mark.parametrize("opened", [False, True])
async def test_turns_that_share_a_container_run_one_after_the_other(
    place: Place, model: ScriptedModel, opened: bool
) -> None:
    container = await place.container()
    if opened:
        await container.session()
    model.script(*[by_the_question] * 20)
    code = "import time; n = globals().get('n', 0) + 1; mine = n; time.sleep(0.01); (mine, n)"
    tools = [{**PYTHON, "container": container.id}]
    found = await answers(place, [{"input": code, "tools": tools}] * 10)
    assert sorted(found) == sorted(str((n, n)) for n in range(1, 11))
    assert place.session.info().executions == 10


async def test_who_leaves_the_queue_of_a_container_disturbs_nobody(place: Place, model: ScriptedModel) -> None:
    container = await place.container()
    tools = [{**PYTHON, "container": container.id}]
    model.script(run(UNTIL_TOLD), run("open('never', 'w').close()"), say("Done."))
    stream = await place.stream(tools=tools)
    await begun(stream, "insitu.output.delta")
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(lambda: place.ask(tools=tools))
        await eventually(lambda: place.service.engine.load["executions"] == 2)
        leaving.cancel_scope.cancel()
    await eventually(lambda: place.service.turns.running == 1)
    await place.client.containers.files.create(container.id, file=("go", b""))
    last = [event async for event in stream][-1].response
    assert (last.status, logs(last)) == ("completed", ["up\n'done'"])
    await place.idle()
    with pytest.raises(FileMissing):
        await place.text("never")


async def test_a_reader_that_does_not_read_stalls_nobody_and_misses_nothing(place: Place, model: ScriptedModel) -> None:
    # Far more than the buffers of a connection hold.
    model.script(*[run("print('x' * 1_000_000)")] * 6, say("Done."))
    body = json.dumps({**ASKED, "stream": True}).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", int(place.url.rpartition(":")[2])))
        slow.sendall(head.encode() + body)
        await model.wait_received(6)
        await place.idle()  # its turn has ended, whether it reads or not
        model.script(*[by_the_question] * 10)
        assert await answers(place, [{"input": "6 * 7"}] * 5) == ["42"] * 5
        received = await anyio.to_thread.run_sync(lambda: b"".join(iter(lambda: slow.recv(1 << 20), b"")))
    stream = dechunked(received.partition(b"\r\n\r\n")[2])
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: ")]
    assert events[-1]["type"] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def dechunked(body: bytes) -> bytes:
    """A body without the sizes of its chunks: a large event comes in several."""
    parts = []
    while size := int(body[: body.index(b"\r\n")], 16):
        begin = body.index(b"\r\n") + 2
        parts.append(body[begin : begin + size])
        body = body[begin + size + 2 :]
    return b"".join(parts)


def unchunked(answer: bytes) -> bytes:
    """The body of an answer that came in chunks."""
    body, rest = b"", answer.partition(b"\r\n\r\n")[2]
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        body += rest[: int(length, 16)]
        rest = rest[int(length, 16) + 2 :]
    return body
