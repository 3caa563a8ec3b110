"""Values that are shown, by code that they bring along."""

from __future__ import annotations

from textwrap import dedent

from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

QUICKLY = {"timeout_s": 0.4}


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
        options={"timeout_s": 1},
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
        options={"timeout_s": 1.2},
    ),
    Attack(
        what="show a figure of a million by a million dots",
        stopped_by=Layer.HOST,
        code="import matplotlib.pyplot as plt\nplt.figure(figsize=(10**4, 10**4), dpi=100)\nplt.plot([1, 2])",
        ends=["error", "out_of_memory"],
        options={"timeout_s": 5},
    ),
)


@tried(SHOWN)
async def test_shown(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


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


@attack("send results of numbers with thousands of digits, which take long to read", Layer.HOST)
async def test_long_numbers_are_not_read(stand: Stand) -> None:
    code = """
        import os
        body = b'{"data": {"x": [' + b",".join([b"9" * 309, b"9" * 310, *[b"-" + b"9" * 4000] * 100]) + b"]}}"
        body = len(body).to_bytes(4, "little") + body
        done = os.write(3, len(body).to_bytes(4, "little") + bytes([17]) + body)
    """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(dedent(code))
    assert [result.data for result in execution.results] == [{"x": [10**309 - 1, *[None] * 101]}]


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
