"""Errors that are raised, and code that cannot be run."""

from __future__ import annotations

import httpx2

from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import ATTACKER, Stand

QUICKLY = {"timeout_s": 0.4}


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
        what="raise an error with a chain of twenty thousand causes",
        stopped_by=Layer.HOST,
        code="""
        error = None
        for at in range(20_000):
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


@tried(ERRORS)
async def test_errors(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("send code that is too large or no text", Layer.API)
async def test_code_that_cannot_be_is_refused(stand: Stand) -> None:
    codes = {'"' + "x" * (33 << 20) + '"': 413, '"\\u0000"': 422, '"\\ud800"': 422, '["1"]': 422, "9" * 5000: 422}
    headers = {"Authorization": f"Bearer {ATTACKER}", "Content-Type": "application/json"}
    async with stand.unharmed(), httpx2.AsyncClient(base_url=stand.url, headers=headers) as client:
        for code, status in codes.items():
            answer = await client.post("/v1/execute", content=f'{{"code": {code}}}')
            assert answer.status_code == status, answer.text
