"""Calls of tools that no honest interpreter makes: the host answers, refuses or ends them, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from insitu.engine import Engine, ToolFailure
from insitu.errors import NotFound
from insitu.types import MIB
from insitu.web.encoding import dumps
from tests.support.calling import ASK, ECHO, TOOLS, calling, perform
from tests.support.guest import Guest, appears, chunks

# What code needs to call in the interpreter's name, and to read what it is answered.
FORGE = """
import json, os, struct
def frame(payload, kind=18): return struct.pack("<IB", len(payload), kind) + payload
def numbered(number, body):
    return frame(struct.pack("<I", number) + (body if isinstance(body, bytes) else json.dumps(body).encode()))
def call(number, name, arguments={}): return numbered(number, {"name": name, "arguments": arguments})
def send(data):
    view = memoryview(data)
    while view: view = view[os.write(3, view):]
def receive(count):
    data, got = b"", []
    while len(got) < count:
        data += os.read(4, 1 << 16)
        while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[:4], "little"):
            size = int.from_bytes(data[:4], "little")
            got.append((int.from_bytes(data[5:9], "little"), json.loads(data[9:5 + size])))
            data = data[5 + size:]
    return got
"""

BREACHES = {
    "a call without a number": "frame(b'xx')",
    "a call that is no JSON": "numbered(1, b'{')",
    "a call that is a list": "numbered(1, [])",
    "a call without a name": "numbered(1, {'arguments': {}})",
    "a name that is a number": "numbered(1, {'name': 1, 'arguments': {}})",
    "a name that is deep": "numbered(1, {'name': eval('[' * 90 + ']' * 90), 'arguments': {}})",
    "a call without arguments": "numbered(1, {'name': 'echo'})",
    "arguments that are a list": "numbered(1, {'name': 'echo', 'arguments': []})",
    "arguments that are a word": "numbered(1, {'name': 'echo', 'arguments': 'x'})",
    "deep arguments": "numbered(1, b'{\"name\": \"echo\", \"arguments\": {\"x\": ' + b'[' * 250 + b']' * 250 + b'}}')",
    "arguments nested beyond measure": 'numbered(1, b\'{"name": "echo", "arguments": \' + b\'[\' * 50_000)',
    "a call over the cap": f"frame(b'x' * {8 * MIB + 1})",
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_who_breaks_the_protocol_is_ended(engine: Engine, guest: Guest, breach: str) -> None:
    code = f"{FORGE}\nsend({BREACHES[breach]})\nimport time; time.sleep(1000)"
    execution = await perform(engine, guest.session, code)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("crashed", 137, False)
    assert execution.error is not None
    assert execution.error.value.startswith("the interpreter was ended because of what it sent: ")
    assert (await guest.run("1")).text == "1"


ODD = {
    "surrogates": rb'{"x": "\ud800"}',
    "half a character": b'{"x": "\xff"}',
    "a number of many digits": b'{"x": ' + b"9" * 5000 + b"}",
    "numbers that are none": b'{"x": [NaN, Infinity, -Infinity, 1e999]}',
    "a name twice": b'{"x": 1, "x": 2}',
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_arguments_are_made_ones_that_anybody_can_read(engine: Engine, guest: Guest, what: str) -> None:
    body = b'{"name": "echo", "arguments": ' + ODD[what] + b"}"
    code = f"{FORGE}\nsend(numbered(7, {body!r}))\nprint(receive(1)[0][0])"
    async with engine.start(guest.session, code, tools=TOOLS) as running:
        async for event in running.events():
            json.loads(dumps(event.data))
            if event.kind == "tool_call":
                assert list(event.data["arguments"]) == ["x"]
                await running.answer(event.data["call_id"], event.data["arguments"])
        assert (await running.result()).stdout == "7\n"


async def test_numbers_mean_something_to_the_guest_alone(engine: Engine, guest: Guest) -> None:
    code = f"""{FORGE}
send(call(5, "echo", {{"x": 1}}) + call(5, "echo", {{"x": 2}}) + call(0, "echo", {{"x": 3}}))
send(call(0xFFFFFFFF, "echo", {{"x": 4}}))
print(sorted((number, body["value"]) for number, body in receive(4)))
"""
    execution = await perform(engine, guest.session, code)
    assert execution.stdout == f"{[(0, 3), (5, 1), (5, 2), (0xFFFFFFFF, 4)]}\n"


async def test_only_what_was_granted_is_called(engine: Engine, guest: Guest) -> None:
    names = ["ask", "nope", "", "__class__", "écho", "x" * 100_000]
    code = f"{FORGE}\nfor name in {names!r}: send(call(1, name))\nprint({{b['error']['name'] for _, b in receive(6)}})"
    heard: list[str] = []

    def answer(name: str, _: dict[str, Any]) -> Any:
        heard.append(name)

    for tools in ([ECHO], []):
        execution = await perform(engine, guest.session, code, answer, tools)
        assert (execution.outcome, execution.stdout) == ("ok", "{'LookupError'}\n"), execution
    assert heard == []


async def test_a_call_after_the_end_is_not_heard(engine: Engine, guest: Guest) -> None:
    code = f"""{FORGE}
end = struct.pack("<I", 2) + b"{{}}"
send(frame(end, 19) + call(1, "ask") * 3)
import time; time.sleep(9)
"""
    async with calling(engine, guest.session, code, timeout_s=5) as caller:
        assert (await caller.result()).outcome == "ok"
        assert not caller.running.paused
        assert [event.kind for event in caller.running.log.entries] == ["started", "finished"]


async def test_a_call_between_two_cells_is_one_of_the_next(engine: Engine, guest: Guest) -> None:
    # Whoever forges them can call what the next code is given, which is its own caller's as well, and nothing else.
    code = f"""{FORGE}
if os.fork() == 0:
    while not os.path.exists("go"): pass
    send(call(1001, "ask") + call(1002, "echo"))
    os.rename("go", "sent")
    os._exit(0)
"""
    assert (await perform(engine, guest.session, code)).outcome == "ok"
    await guest.session.files.write("go", chunks())
    await appears(guest.session.files, "sent")
    heard: list[str] = []

    def answer(name: str, _: dict[str, Any]) -> Any:
        heard.append(name)

    execution = await perform(engine, guest.session, "tools.echo()", answer, [ECHO])
    assert (execution.outcome, heard) == ("ok", ["echo", "echo"])


async def test_too_many_calls_at_once_and_in_all_are_refused(engine: Engine, guest: Guest) -> None:
    code = f"""{FORGE}
import threading
got = []
reader = threading.Thread(target=lambda: got.extend(receive(10_001 - 256)))
reader.start()
send(call(1, "echo") * 10_001)
reader.join()
from collections import Counter
print(Counter(body["error"]["message"] for _, body in got))
"""
    async with calling(engine, guest.session, code, timeout_s=30) as caller:
        execution = await caller.result()
        told = [event for event in caller.running.log.entries if event.kind == "tool_call"]
    assert execution.outcome == "ok", execution
    refusals = {
        "256 calls wait for their answers already": 10_000 - 256,
        "an execution may call tools 10000 times": 1,
    }
    assert (execution.stdout, len(told)) == (f"Counter({refusals})\n", 256)


async def test_too_many_frames_end_it(engine: Engine, guest: Guest) -> None:
    code = f"{FORGE}\nsend(call(1, 'nope') * 21_000)\nimport time; time.sleep(1000)"
    execution = await perform(engine, guest.session, code)
    assert execution.outcome == "crashed" and execution.error is not None
    assert "more than 20000 frames" in execution.error.value


async def test_calls_have_a_bound_in_bytes_and_in_what_they_hold(engine: Engine, guest: Guest) -> None:
    code = f"""{FORGE}
send(call(1, "echo", {{"x": [[]] * 120_000}}))
send(call(2, "echo", {{"x": "x" * {6 * MIB}}}) * 3)
print(sorted((number, body["error"]["name"]) for number, body in receive(4)))
"""
    execution = await perform(engine, guest.session, code, lambda *_: ToolFailure("LookupError", "heard"))
    # What swells is counted once and for all: nothing that comes behind it is parsed.
    assert execution.stdout == f"{[(1, 'MemoryError')] + [(2, 'MemoryError')] * 3}\n"


async def test_a_forged_pause_is_bounded_by_the_tools_that_were_given(engine: Engine, guest: Guest) -> None:
    code = f"{FORGE}\nsend(call(1, 'ask'))\nwhile True: pass"
    execution = await perform(engine, guest.session, code, tools=[ECHO], timeout_s=0.3)
    assert execution.outcome == "timeout"
    async with calling(engine, guest.session, code, tools=[ASK], timeout_s=0.6) as caller:
        call, _ = await caller.call()
        await caller.answer(call)
        assert (await caller.result()).outcome == "timeout"
        with pytest.raises(NotFound):
            await caller.answer(call)
