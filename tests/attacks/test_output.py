"""What code writes: as much of it as there can be, and what is no text."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.memory import flat_memory
from tests.attacks.stand import NEIGHBOUR, SETTINGS, Stand

QUICKLY = {"timeout_s": 0.4}


# Each goes on for as long as it may, and what it says is cut.
FLOODS = (
    Attack(
        what="write to standard output as fast as it can",
        stopped_by=Layer.HOST,
        code="block = b'x' * (1 << 20)\nwhile True: os.write(1, block)",
        ends=["timeout"],
    ),
    Attack(
        what="write to both streams in turns, a byte at a time",
        stopped_by=Layer.HOST,
        code="while True: os.write(1, b'x'); os.write(2, b'y')",
        ends=["timeout"],
    ),
    Attack(
        what="write lines from many threads at once",
        stopped_by=Layer.HOST,
        code="""
        import threading
        def write():
            while True: print("x" * 5000); print("y" * 5000, file=sys.stderr)
        for _ in range(8): attempt(threading.Thread(target=write, daemon=True).start)
        write()
        """,
        ends=["timeout"],
    ),
    Attack(
        what="write a line that never ends",
        stopped_by=Layer.HOST,
        code="while True: print('x' * 1000, end='')",
        ends=["timeout"],
    ),
    Attack(
        what="write through children that hold the streams and go on for ever",
        stopped_by=Layer.HOST,
        code="""
        for _ in range(8):
            if not os.fork():
                while True: os.write(1, b"x" * 4096); os.write(2, b"y" * 4096)
        """,
    ),
    Attack(
        what="show values without end",
        stopped_by=Layer.HOST,
        code="while True: display('x' * 10_000)",
        ends=["timeout"],
    ),
    Attack(
        what="show tiny values without end",
        stopped_by=Layer.HOST,
        code="while True: display(None, 0, '')",
        ends=["timeout", "crashed"],
    ),
    Attack(
        what="send tiny frames without end",
        stopped_by=Layer.HOST,
        code="""
        while True: os.write(3, bytes([2, 0, 0, 0, 17, 0, 0]) * 1000)
        """,
        ends=["timeout", "crashed"],
    ),
    Attack(
        what="show one value in ten thousand forms, the names of which have a kilobyte each",
        stopped_by=Layer.HOST,
        code="display({f'{at}/' + 'x' * 1000: 'x' for at in range(10_000)}, raw=True)",
        options={"timeout_s": 2},
    ),
    Attack(
        what="show values that are larger than all results may be",
        stopped_by=Layer.HOST,
        code="for name in ('html', 'plain', 'x' * (1 << 20)): display({f'text/{name}': 'x' * (8 << 20)}, raw=True)",
        options={"timeout_s": 5},
    ),
    Attack(
        what="send results whose few bytes are many objects",
        stopped_by=Layer.HOST,
        code="""
        for _ in range(30):
            body = b'{"data": {"x": [' + b",".join([b"{}"] * 90_000) + b']}}'
            body = len(body).to_bytes(4, "little") + body
            os.write(3, len(body).to_bytes(4, "little") + bytes([17]) + body)
        """,
        options={"timeout_s": 5},
    ),
    Attack(
        what="raise an error whose message has a hundred megabytes",
        stopped_by=Layer.HOST,
        code="raise ValueError('x' * 100_000_000)",
        ends=["error", "out_of_memory"],
        options={"timeout_s": 5},
    ),
    Attack(
        what="fail in a file whose name has a megabyte, on lines that have one each",
        stopped_by=Layer.HOST,
        code="""
        import linecache
        name = "x" * 1_000_000
        linecache.cache[name] = (0, None, ["y" * 1_000_000 + "\\n"] * 5, name)
        exec(compile("def f(n): f(n - 1) if n else 1 / 0\\nf(50)", name, "exec"))
        """,
        ends=["error"],
        options={"timeout_s": 5},
    ),
)


@tried(FLOODS)
async def test_floods_take_no_memory(stand: Stand, attack: Attack) -> None:
    with flat_memory():
        execution = await stand.withstands(replace(attack, options={**QUICKLY, **attack.options}))
    said = [execution.stdout, execution.stderr, *(result.text or "" for result in execution.results)]
    assert sum(map(len, said)) < 2 * SETTINGS.output_bytes + SETTINGS.results_bytes + 4096
    if execution.error:
        assert len(execution.error.value) + len(execution.error.traceback) < 512 * 1024


@attack("write bytes that are no text, ends of text and codes for terminals", Layer.HOST)
async def test_what_is_no_text_is_replaced(stand: Stand) -> None:
    code = """
        import os
        os.write(1, b"\\0\\x1b[31m\\xff\\xfe\\xc3\\n\\xed\\xa0\\x80\\r\\x1a")
        os.write(2, b"\\x80" * 5)
    """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(dedent(code))
    assert execution.stdout == "\0\x1b[31m\ufffd\ufffd\ufffd\n\ufffd\ufffd\ufffd\r\x1a"
    assert execution.stderr == "\ufffd" * 5


@attack("print, show, raise and name files by half characters", Layer.HOST)
async def test_half_characters_are_told_apart(stand: Stand) -> None:
    code = """
        print("\\ud800")
        display({"text/x\\ud800": "\\udfff", "application/json": {"\\ud83d": "\\ude00"}}, raw=True)
        open(b"\\xff", "w").close()
        raise ValueError("\\ud800")
    """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(dedent(code))
    assert (execution.outcome, execution.stdout) == ("error", "\\ud800\n")
    assert [info.path for info in execution.files] == ["\\udcff"]
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("ValueError", "\\ud800")
    assert "\\udfff" in str(execution.results[0].data)


@attack("have a character cut in two where output is cut", Layer.HOST)
async def test_cut_output_is_text(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client:
        for before in range(4):
            execution = await client.run(f"print('x' * {before} + '😀' * 9999)", output_bytes=1000 + before)
            assert execution.truncated.stdout
            assert execution.stdout.startswith("x" * before + "😀" * 186)
            assert execution.stdout.endswith("😀" * 62 + "\n")
            assert len(execution.stdout.encode()) < 1100


@attack("go on printing after the end of the cell, for whoever is next", Layer.NAMESPACES)
async def test_what_prints_for_ever_is_heard_by_its_own_session_alone(stand: Stand) -> None:
    shout = """
        import os, threading
        def shout():
            while True: os.write(1, b"shouted")
        threading.Thread(target=shout, daemon=True).start()
        if not os.fork(): shout()
    """
    async with stand.unharmed(), stand.client() as client, stand.client(NEIGHBOUR) as neighbour:
        async with client.session() as session:
            await session.run(dedent(shout))
            assert (await neighbour.run("print('quiet')")).stdout == "quiet\n"
            assert (await session.run("1", timeout_s=5)).outcome == "ok"
        assert (await client.run("print('quiet')")).stdout == "quiet\n"
