"""The log of an execution, and what is kept of its output."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from insitu.engine import Engine, RunningExecution
from insitu.types import MIB, Event, Execution
from tests.support.guest import SMALL, Guest, chunks


async def read(running: RunningExecution, after: int = 0) -> list[Event]:
    return [event async for event in running.events(after)]


def kinds(events: list[Event]) -> list[tuple[str, Any]]:
    """Each event's kind and what it carries; neighbouring pieces of one stream are joined."""
    joined: list[tuple[str, Any]] = []
    for event in events:
        if event.kind in ("stdout", "stderr"):
            before = joined.pop()[1] if joined and joined[-1][0] == event.kind else ""
            joined.append((event.kind, before + event.text))
        elif event.kind == "result":
            joined.append(("result", event.data["data"]["text/plain"]))
        else:
            joined.append((event.kind, None))
    return joined


async def test_events_come_in_the_order_of_the_code(engine: Engine, guest: Guest) -> None:
    code = "print('one'); display(1); print('two'); display(2); print('three', flush=True); 3"
    async with engine.start(guest.session, code) as running:
        events = await read(running)
    assert kinds(events) == [
        ("started", None),
        ("stdout", "one\n"),
        ("result", "1"),
        ("stdout", "two\n"),
        ("result", "2"),
        ("stdout", "three\n"),
        ("result", "3"),
        ("finished", None),
    ]
    assert [event.seq for event in events] == list(range(len(events)))
    assert events[-1].execution == await running.result()


async def test_events_come_while_the_code_runs(engine: Engine, guest: Guest) -> None:
    wait = "import os, time\nprint('first')\nwhile not os.path.exists('go'): time.sleep(0.005)\nprint('second')"
    async with engine.start(guest.session, wait) as running:
        events = running.events()
        assert [(await anext(events)).kind, (await anext(events)).text] == ["started", "first\n"]
        assert not running.done
        await guest.session.files.write("go", chunks())
        assert [event.kind async for event in events] == ["stdout", "finished"]


async def test_late_readers_and_several_see_the_same(engine: Engine, guest: Guest) -> None:
    async with engine.start(guest.session, "for n in range(3): print(n)\ndisplay(4)") as running:
        seen: list[list[Event]] = []

        async def follow() -> None:
            seen.append(await read(running))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            tasks.start_soon(follow)
        late = await read(running)
        assert seen == [late, late]
        assert await read(running, after=2) == late[2:]
        assert await read(running, after=1000) == []
    assert await read(running) == late


async def test_a_reader_that_leaves_stops_nothing(engine: Engine, guest: Guest) -> None:
    async with engine.start(guest.session, "for n in range(100): print(n)") as running:
        async for _ in running.events():
            break
        assert (await running.result()).stdout.split() == [str(n) for n in range(100)]


async def test_leaving_the_context_cancels(engine: Engine, guest: Guest) -> None:
    async with engine.start(guest.session, "import time; time.sleep(1000)") as running:
        await anext(running.events())
    execution = await running.result()
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("cancelled", 130, True)


async def test_in_the_background_nothing_is_cancelled(engine: Engine, guest: Guest) -> None:
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)\nprint('done')"
    async with engine.start(guest.session, code, background=True) as running:
        pass
    await guest.session.files.write("go", chunks())
    assert (await running.result()).stdout == "done\n"


async def capped(engine: Engine, code: str, **limits: int) -> Execution:
    session = await engine.create_session(limits=replace(SMALL.limits(), **limits))
    try:
        return await engine.run(session, code)
    finally:
        await engine.end_session(session)


async def test_output_over_the_cap_keeps_its_head_and_tail(engine: Engine) -> None:
    code = "import sys\nfor n in range(10000): print(f'{n:07}')\nprint('x' * 5000, file=sys.stderr)"
    execution = await capped(engine, code, output_bytes=4096)
    assert (execution.truncated.stdout, execution.truncated.stderr) == (True, True)
    lines = execution.stdout.splitlines()
    assert lines[0] == "0000000"
    assert lines[-1] == "0009999"
    assert f"[… {80000 - 4096} bytes left out …]" in execution.stdout
    assert len(execution.stdout.encode()) < 4096 + 64


async def test_output_of_the_caps_size_is_whole(engine: Engine) -> None:
    execution = await capped(engine, "print('x' * 4095)", output_bytes=4096)
    assert (execution.truncated.stdout, execution.stdout) == (False, "x" * 4095 + "\n")


@pytest.mark.parametrize("before", range(3))
async def test_no_character_is_cut_in_two_where_nothing_is_left_out(engine: Engine, before: int) -> None:
    text = "x" * before + "€" * 1360
    execution = await capped(engine, f"print({text!r}, end='')", output_bytes=4096)
    assert (execution.truncated.stdout, execution.stdout) == (False, text)


async def test_a_stream_of_too_much_has_the_head_and_a_marker(engine: Engine) -> None:
    session = await engine.create_session(limits=replace(SMALL.limits(), output_bytes=4096))
    async with engine.start(session, "print('x' * 100000)") as running:
        streamed = "".join([event.text async for event in running.events() if event.kind == "stdout"])
    assert streamed.startswith("x" * 3072 + "\n[… ")
    assert len(streamed) < 3072 + 100
    await engine.end_session(session)


async def test_results_over_the_cap_are_named_and_left_out(engine: Engine) -> None:
    code = "for n in range(100): display('x' * 10000)\n'y' * 10000"
    execution = await capped(engine, code, results_bytes=100_000)
    assert execution.truncated.results is True
    kept = [result for result in execution.results if result.text and len(result.text) > 1000]
    assert 5 <= len(kept) <= 9
    assert len(json.dumps(execution.to_dict())) < 150_000


async def test_results_are_charged_what_is_sent_of_them(engine: Engine) -> None:
    execution = await capped(engine, "'ä' * 40_000", results_bytes=100_000)
    assert execution.truncated.results is False
    assert execution.text == repr("ä" * 40_000)


async def test_a_flood_of_output_takes_no_memory(engine: Engine, guest: Guest) -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # forget the peak
    before = _peak()
    code = "import os\nblock = b'x' * (1 << 20)\nfor _ in range(1024): os.write(1, block)\nos.write(2, block * 8)"
    execution = await guest.run(code)
    assert (execution.outcome, execution.truncated.stdout, execution.truncated.stderr) == ("ok", True, True)
    assert f"{(1 << 30) - MIB} bytes left out" in execution.stdout
    assert _peak() - before < 64 * MIB


def _peak() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024


async def test_one_line_without_end_is_cut_and_read_to_the_end(guest: Guest) -> None:
    execution = await guest.run("import os, sys\nsys.stdout.write('é' * 3_000_000); sys.stdout.write('!')")
    assert execution.truncated.stdout is True
    assert execution.stdout.startswith("é")
    assert execution.stdout.endswith("é!")


ODD_TEXT = {
    "half a surrogate pair": ("print('\\ud800x')", "\\ud800x\n"),
    "a NUL byte": ("print('a\\0b')", "a\0b\n"),
    "bytes that are no UTF-8": ("import os; os.write(1, b'\\xff\\xfe!') and None", "\ufffd\ufffd!"),
    "a character in two pieces": ("import os; os.write(1, b'\\xc3'); os.write(1, b'\\xa9') and None", "é"),
    "half a character at the end": ("import os; os.write(1, b'a\\xc3') and None", "a\ufffd"),
    "escape sequences": ("print('\\x1b[31mred\\x1b[0m')", "\x1b[31mred\x1b[0m\n"),
    "carriage returns": ("print('1%\\r2%\\r\\n')", "1%\r2%\r\n\n"),
}


@pytest.mark.parametrize("text", ODD_TEXT)
async def test_odd_text_arrives(engine: Engine, guest: Guest, text: str) -> None:
    code, expected = ODD_TEXT[text]
    async with engine.start(guest.session, code) as running:
        streamed = "".join([event.text async for event in running.events() if event.kind == "stdout"])
        execution = await running.result()
    assert execution.outcome == "ok"
    assert execution.stdout == expected
    assert streamed == expected
    json.dumps(execution.to_dict(), allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "code",
    [
        "'\\ud800'",
        "float('nan')",
        "import math; [math.inf, -math.inf, math.nan]",
        "display({'application/json': {'a': float('nan')}}, raw=True)",
        "display({'text/plain': '\\udc00\\0', 'x/y': ['\\ud83d', None]}, raw=True)",
        "raise ValueError('\\ud800\\0')",
        "class R:\n    def __repr__(self): return '\\ud800'\nR()",
        "import numpy, pandas; pandas.DataFrame({'a': [numpy.nan, numpy.inf, None]})",
        "open('\\udcff', 'w').close()",
        "raise type('\\udcff', (Exception,), {})",
    ],
)
async def test_whatever_code_shows_is_strict_json(guest: Guest, code: str) -> None:
    execution = await guest.run(code)
    assert execution.outcome in ("ok", "error")
    encoded = json.dumps(execution.to_dict(), allow_nan=False, ensure_ascii=False).encode()
    assert Execution.from_dict(json.loads(encoded)) == execution


@pytest.mark.parametrize(
    "harm",
    [
        "import sys; sys.stdout.close()",
        "import sys; sys.stdout = None",
        "import sys; sys.stdout = sys.stderr = 5",
        "import os; os.close(1); os.close(2)",
    ],
)
async def test_results_arrive_though_the_streams_are_gone(guest: Guest, harm: str) -> None:
    assert (await guest.run(harm)).outcome == "ok"
    execution = await guest.run("display(1); 1 + 1")
    assert [result.text for result in execution.results] == ["1", "2"]
