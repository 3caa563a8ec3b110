"""Calls of tools have bounds: in bytes, in number, and in what a tool may answer."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from insitu.engine import Engine, ToolFailure
from insitu.types import MIB
from tests.engine.calls import ALMOST, run, text, to_be_called, value
from tests.support.calling import ECHO, TOOLS, calling, perform
from tests.support.guest import Guest


async def test_large_answers_and_displays_come_side_by_side(guest: Guest) -> None:
    code = """
    import threading
    got = []
    def call(x): got.append((x, tools.echo(x=x)))
    threads = [threading.Thread(target=call, args=[x]) for x in range(4)]
    for thread in threads: thread.start()
    for n in range(200): display(n)
    for thread in threads: thread.join()
    [(x, len(text), set(text)) for x, text in sorted(got)]
    """
    answers = ["abcd"[n] * ALMOST for n in range(4)]
    execution = await run(guest, code, lambda _, arguments: answers[arguments["x"]], timeout_s=30)
    assert value(execution) == repr([(n, ALMOST, {"abcd"[n]}) for n in range(4)])
    shown = [result.data["text/plain"] for result in execution.results if not result.main]
    assert shown == [f"{n}" for n in range(200)]


async def test_what_is_as_large_as_may_be_goes_there_and_back(guest: Guest) -> None:
    assert await text(guest, f"x = 'ä' * ({ALMOST} // 2)\ntools.echo(x=x) == x") == "True"


async def test_calls_may_be_larger_than_results(engine: Engine) -> None:
    limits = replace(engine.settings.limits(), results_bytes=1024)
    code = f"x = 'x' * {ALMOST}\nprint(tools.echo(x=x) == x)"
    execution = await perform(engine, None, code, limits=limits)
    assert execution.stdout == "True\n", execution
    # Without tools, who sends so much is no honest interpreter.
    code = f"import os\nos.write(3, ({8 * MIB}).to_bytes(4, 'little') + bytes([18]))\nwhile True: pass"
    execution = await perform(engine, None, code, tools=(), limits=limits)
    assert execution.outcome == "crashed" and execution.error is not None
    assert "over the cap" in execution.error.value


async def test_what_is_too_large_is_refused_on_either_side(guest: Guest) -> None:
    code = f"""
    def failure(call, **arguments):
        try: call(**arguments)
        except Exception as error: return type(error).__name__
    failure(tools.echo, x="x" * {8 * MIB}), failure(tools.find), tools.echo(x=1)
    """
    huge = "x" * 8 * MIB
    assert await text(guest, code, lambda name, arguments: huge if name == "find" else arguments["x"]) == repr(
        ("NotEncodable", "MemoryError", 1)
    )


async def test_all_calls_together_have_a_bound(guest: Guest) -> None:
    code = f"""
    told = [tools.echo(x="x" * {ALMOST})[:1] for _ in range(2)]
    try:
        tools.echo(x="x" * 20_000)
    except MemoryError as error:
        told.append(str(error))
    told
    """
    assert await text(guest, code) == repr(["x", "x", "all calls of an execution may have 16 MiB together"])
    assert await text(guest, "tools.echo(x=1)") == "1"


async def test_a_call_has_a_bound_in_number_and_at_once(engine: Engine, guest: Guest) -> None:
    code = """
    import asyncio
    told = asyncio.gather(*(tools.echo.aio(x=x) for x in range(260)), return_exceptions=True)
    await asyncio.sleep(0)
    display("all are sent")
    told = await told
    [x for x, each in enumerate(told) if isinstance(each, RuntimeError)]
    """
    async with calling(engine, guest.session, code) as caller:
        calls = await caller.calls(256)
        await caller.display()
        for x, call in calls.items():
            await caller.answer(call, x)
        assert value(await caller.result()) == "[256, 257, 258, 259]"
    code = """
    for n in range(10_000): tools.echo()
    try:
        tools.echo()
    except RuntimeError as error:
        told = str(error)
    told
    """
    assert await text(guest, code, timeout_s=60) == "'an execution may call tools 10000 times'"


GARBAGE: dict[str, Any] = {
    "an object of no class": object(),
    "bytes": b"x",
    "a list that holds itself": [],
    "half a character": "\ud800",
    "a number that is none": float("nan"),
    "depth": None,
}
GARBAGE["a list that holds itself"].append(GARBAGE["a list that holds itself"])
for _ in range(5000):
    GARBAGE["depth"] = [GARBAGE["depth"]]


@pytest.mark.parametrize("what", GARBAGE)
async def test_whatever_a_tool_answers_the_code_goes_on(engine: Engine, guest: Guest, what: str) -> None:
    code = "try:\n    tools.echo()\nexcept Exception as error:\n    print(type(error).__name__)\ntools.find(x=1)"
    async with engine.start(guest.session, code, tools=TOOLS) as running:
        async for event in running.events():
            if event.kind == "tool_call":
                answer = GARBAGE[what] if event.data["name"] == "echo" else 1
                await running.answer(event.data["call_id"], answer)
            json.dumps(event.data, ensure_ascii=False).encode()
        assert value(await running.result()) == "1"


async def test_a_log_keeps_little_of_what_tools_answer(engine: Engine, guest: Guest) -> None:
    code = "for n in range(400): tools.echo()"
    async with engine.start(guest.session, code, tools=TOOLS, timeout_s=30) as running:
        async for event in running.events():
            if event.kind == "tool_call":
                await running.answer(event.data["call_id"], "x" * 20_000)
        told = [len(event.data["clipped"]) for event in running.log.entries if event.kind == "tool_result"]
    assert (told[0], told[-1], len(told)) == (16 * 1024, 200, 400)
    assert sum(told) < 5 * MIB


def laborious(given: dict[str, Any]) -> ToolFailure:
    until = time.thread_time() + 0.6
    while time.thread_time() < until:
        pass
    return ToolFailure("ValueError", "checked")


async def test_calls_are_not_checked_for_longer_than_all_of_them_may_be(guest: Guest) -> None:
    code = """
        told = []
        for _ in range(3):
            try: tools.echo()
            except Exception as error: told.append((type(error).__name__, str(error)))
        told
    """
    refusal = (
        "checking the arguments of this execution's calls took 1 s, which is the most:"
        " call fewer, or pass simpler arguments"
    )
    for _ in range(2):  # each execution has as much
        told = await text(guest, code, to_be_called, tools=[replace(ECHO, prepare=laborious)])
        assert eval(told) == [("ValueError", "checked")] * 2 + [("RuntimeError", refusal)]
