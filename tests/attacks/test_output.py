"""What code writes, shows and raises, and what it does to the interpreter that runs it."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import httpx2

from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.memory import flat_memory
from tests.attacks.stand import ATTACKER, NEIGHBOUR, SETTINGS, Stand

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
        what="send results of numbers with thousands of digits, which take long to read",
        stopped_by=Layer.HOST,
        code="""
        body = b'{"data": {"x": [' + b",".join([b"9" * 4300] * 2000) + b']}}'
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

SHOWN = (
    Attack(
        what="show a value whose text never comes to an end",
        stopped_by=Layer.CLOCK,
        code="""
        import signal
        class Value:
            def __repr__(self):
                while True: pass
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Value()
        """,
        ends=["timeout"],
        options=QUICKLY,
    ),
    Attack(
        what="show a value that kills the interpreter when it is shown",
        stopped_by=Layer.HOST,
        code="class Value:\n    def __repr__(self): os.kill(os.getpid(), 9)\nValue()",
        ends=["crashed"],
    ),
    Attack(
        what="show a value that leaves the interpreter when it is shown",
        stopped_by=Layer.HOST,
        code="class Value:\n    def _repr_html_(self): os._exit(0)\nValue()",
        ends=["crashed"],
    ),
    Attack(
        what="show a value that forks when it is shown, so that two tell the end",
        stopped_by=Layer.HOST,
        code="""
        class Value:
            def __repr__(self): return "'child'" if os.fork() == 0 else "'parent'"
        Value()
        """,
        answers=["parent"],
    ),
    Attack(
        what="show a value that forks as HTML and as a bundle",
        stopped_by=Layer.HOST,
        code="""
        class Value:
            def __repr__(self): return "1"
            def _repr_html_(self): return str(os.fork())
            def _repr_mimebundle_(self, include, exclude): return {"text/x": str(os.fork())}
        Value()
        """,
        answers=[1],
        ends=["ok", "crashed"],
    ),
    Attack(
        what="show values that raise what is no ordinary exception",
        stopped_by=Layer.HOST,
        code="""
        class Odd(BaseException): pass
        class Value:
            def __init__(self, error): self.error = error
            def __repr__(self): raise self.error
            _repr_html_ = _repr_mimebundle_ = _repr_png_ = __repr__
        [attempt(display, Value(ValueError())), display(Value(Odd()))]
        """,
        ends=["error"],
    ),
    Attack(
        what="show values whose forms are of no type that they should have",
        stopped_by=Layer.HOST,
        code="""
        class Value:
            def __repr__(self): return "1"
            def _repr_html_(self): return {"a": object()}
            def _repr_svg_(self): return 5
            def _repr_png_(self): return "no base64"
            def _repr_json_(self): return {1: {2: {3, 4}}, None: float("nan"), "x": self}
            def _repr_mimebundle_(self, include=None, exclude=None): return [1, 2, 3]
        class Worse(Value):
            def _repr_mimebundle_(self, include=None, exclude=None):
                return {5: 6, None: b"", "text/html": b"\\xff", "image/png": 7, "\\ud800": "\\udfff"}
        display(Worse())
        display({"text/plain": 5, 7: "x", "application/json": object()}, raw=True)
        Value()
        """,
        answers=[1],
    ),
    Attack(
        what="show a bundle that has no end, by a mapping that makes its keys as it goes",
        stopped_by=Layer.CLOCK,
        code="""
        import itertools
        class Endless(dict):
            def items(self): return ((f"text/{at}", "") for at in itertools.count())
            def keys(self): return (f"text/{at}" for at in itertools.count())
            __iter__ = keys
            __getitem__ = lambda self, key: ""
        class Value:
            def _repr_mimebundle_(self, include=None, exclude=None): return Endless(a=1)
        display(Endless(a=1), raw=True)
        """,
        ends=["timeout", "out_of_memory", "error", "crashed"],
        options=QUICKLY,
    ),
    Attack(
        what="show data that is nested until it overflows the stack",
        stopped_by=Layer.HOST,
        code="""
        import json
        def nested(depth):
            value = []
            for _ in range(depth): value = [value]
            return value
        for depth in (150, 300, 800, 950, 990, 5000, 10**5):
            attempt(display, {"application/json": nested(depth)}, raw=True)
        1
        """,
        answers=[1],
        ends=["ok", "crashed"],
    ),
    Attack(
        what="show data that holds itself",
        stopped_by=Layer.HOST,
        code="""
        value = {}
        value["itself"] = value
        display({"application/json": value}, raw=True)
        value["list"] = [value] * 3
        len(repr(value)) < 100
        """,
        answers=[True],
    ),
    Attack(
        what="show a table of a hundred million cells",
        stopped_by=Layer.HOST,
        code="""
        import numpy, pandas
        cells = numpy.lib.stride_tricks.as_strided(numpy.zeros(1, "i1"), (10**5, 1000), (0, 0))
        pandas.set_option("display.max_rows", None, "display.max_columns", None)
        pandas.DataFrame(cells, copy=False)
        """,
        ends=["timeout", "out_of_memory", "ok"],
        options={"timeout_s": 2},
    ),
    Attack(
        what="open more figures than memory could hold, and have all of them shown",
        stopped_by=Layer.HOST,
        code="""
        import warnings
        import matplotlib.pyplot as plt
        warnings.simplefilter("ignore")
        for at in range(10_000): plt.figure(figsize=(1, 1)).text(0, 0, at)
        """,
        ends=["timeout", "out_of_memory"],
        options={"timeout_s": 2},
    ),
    Attack(
        what="show a figure of a million by a million dots",
        stopped_by=Layer.HOST,
        code="import matplotlib.pyplot as plt\nplt.figure(figsize=(10**4, 10**4), dpi=100)\nplt.plot([1, 2])",
        ends=["error", "out_of_memory"],
        options={"timeout_s": 5},
    ),
)

ERRORS = (
    Attack(
        what="raise an error whose text never comes to an end",
        stopped_by=Layer.CLOCK,
        code="""
        import signal
        class Slow(Exception):
            def __str__(self):
                while True: pass
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Slow
        """,
        ends=["timeout"],
        options=QUICKLY,
    ),
    Attack(
        what="raise an error that kills the interpreter when it is told",
        stopped_by=Layer.HOST,
        code="class Fatal(Exception):\n    def __str__(self): os.abort()\nraise Fatal",
        ends=["crashed"],
    ),
    Attack(
        what="raise an error that has itself as its cause and its context",
        stopped_by=Layer.HOST,
        code="""
        one, two = ValueError(1), ValueError(2)
        one.__cause__, two.__cause__, one.__context__ = two, one, one
        raise one
        """,
        ends=["error"],
    ),
    Attack(
        what="raise an error with a chain of a hundred thousand causes",
        stopped_by=Layer.HOST,
        code="""
        error = None
        for at in range(100_000):
            after = ValueError(at)
            after.__cause__, error = error, after
        raise error
        """,
        ends=["error", "timeout", "out_of_memory", "crashed"],
    ),
    Attack(
        what="raise groups of errors that are nested ten thousand deep",
        stopped_by=Layer.HOST,
        code="""
        error = ValueError()
        for _ in range(10_000): error = ExceptionGroup("x", [error])
        raise error
        """,
        ends=["error", "crashed"],
    ),
    Attack(
        what="raise a group of fifty thousand errors",
        stopped_by=Layer.HOST,
        code="raise ExceptionGroup('x', [ValueError(at) for at in range(50_000)])",
        ends=["error", "timeout", "out_of_memory"],
        options={"timeout_s": 2},
    ),
    Attack(
        what="raise errors of classes that lie about their names, modules and bases",
        stopped_by=Layer.HOST,
        code="""
        class Liar(type):
            __name__ = __module__ = property(lambda cls: 1 / 0)
            def __instancecheck__(cls, other): raise SystemExit(5)
            def __getattribute__(cls, name): raise KeyboardInterrupt
        class Lie(Exception, metaclass=Liar):
            def __getattribute__(self, name): raise BaseException
        raise Lie
        """,
        ends=["error"],
    ),
    Attack(
        what="leave with codes that no process can have",
        stopped_by=Layer.HOST,
        code="class Code(int):\n    __int__ = __index__ = lambda self: 10**5000\nsys.exit(Code(10**4000))",
        ends=["error"],
    ),
    Attack(
        what="end by a time-out that the code claims to have had",
        stopped_by=Layer.HOST,
        code="class Timeout(BaseException): pass\nraise Timeout('the code ran longer than its 1 s')",
        ends=["error"],
    ),
    Attack(
        what="write more nested brackets than a parser can follow",
        stopped_by=Layer.HOST,
        code="(" * 100_000 + ")" * 100_000,
        ends=["error", "crashed"],
    ),
    Attack(
        what="write an expression that is deeper than the compiler's stack",
        stopped_by=Layer.HOST,
        code="x = " + "-" * 300_000 + "1\ny = 1" + " + 1" * 100_000 + "\nz = x" + ".a" * 100_000,
        ends=["error", "crashed"],
    ),
    Attack(
        what="raise the limit of digits, and print a number of ten million",
        stopped_by=Layer.CLOCK,
        code="sys.set_int_max_str_digits(0)\nstr(1 << 33_000_000)",
        ends=["timeout"],
        options=QUICKLY,
    ),
    Attack(
        what="show a number that has more digits than can be printed",
        stopped_by=Layer.HOST,
        code="[attempt(str, 10**5000), attempt(display, 10**5000), attempt(print, 10**5000)]",
        answers=[["ValueError", "went through", "ValueError"]],
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


@tried(SHOWN)
async def test_shown(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@tried(ERRORS)
async def test_errors(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


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


@attack("show numbers that JSON does not know", Layer.HOST)
async def test_json_is_strict(stand: Stand) -> None:
    code = """
        numbers = [float("nan"), float("inf"), -float("inf"), 1e999, 10**400, 2**64, -0.0]
        display({"application/json": numbers}, raw=True)
    """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(dedent(code))
    assert [result.data for result in execution.results] == [
        {"application/json": [None, None, None, None, None, 2**64, 0.0]}
    ]


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


@attack("send code that is too large or no text", Layer.API)
async def test_code_that_cannot_be_is_refused(stand: Stand) -> None:
    codes = {'"' + "x" * (100 << 20) + '"': 413, '"\\u0000"': 422, '"\\ud800"': 422, '["1"]': 422, "9" * 5000: 422}
    headers = {"Authorization": f"Bearer {ATTACKER}", "Content-Type": "application/json"}
    async with stand.unharmed(), httpx2.AsyncClient(base_url=stand.url, headers=headers) as client:
        for code, status in codes.items():
            answer = await client.post("/v1/execute", content=f'{{"code": {code}}}')
            assert answer.status_code == status, answer.text


@attack("show as a picture or as text what is neither, to whoever reads the answer", Layer.HOST)
async def test_results_of_the_wrong_kind_are_none(stand: Stand) -> None:
    code = """
        import json, os
        wrong = {"text/plain": [1], "image/png": "x"}, {"text/plain": 5, "image/png": {}}, {"image/png": "\\ud800"}
        for data in wrong:
            body = json.dumps({"data": data}).encode()
            body = len(body).to_bytes(4, "little") + body
            os.write(3, len(body).to_bytes(4, "little") + bytes([17]) + body)
    """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(dedent(code))
    assert (execution.outcome, len(execution.results)) == ("ok", 3)
    assert execution.images == ()
    assert execution.text == ""
    assert execution._repr_html_()
