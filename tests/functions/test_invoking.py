from __future__ import annotations

from functools import partial

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import InvalidRequest, NotFound, QuotaExceeded, TooLarge
from insitu.functions import Functions
from insitu.store import Page
from insitu.types import Limits
from tests.functions.conftest import Opened, held
from tests.functions.sources import ADD, COUNT, OWNER, WAIT, deploy, is_there
from tests.support.waiting import eventually

BAD = {
    "it raises": ("def main(): return 1 / 0", "error", "ZeroDivisionError"),
    "it is no Python": ("def main(:", "error", "SyntaxError"),
    "its module raises": ("raise KeyError('x')", "error", "KeyError"),
    "there is no such function": ("def other(): pass", "error", "NoSuchHandler"),
    "it is no function": ("main = 3", "error", "NoSuchHandler"),
    "it returns what has no form": ("def main(): return object()", "error", "NotEncodable"),
    "it takes no such argument": ("def main(x): pass", "error", "TypeError"),
    "it ends itself": ("import os\ndef main(): os._exit(3)", "crashed", "Crashed"),
    "it kills itself": ("import os\ndef main(): os.kill(os.getpid(), 9)", "crashed", "Crashed"),
    "it never returns": ("def main():\n  while True: pass", "timeout", "Timeout"),
    "it recurses": ("def main(): return main()", "error", "RecursionError"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_a_function_does_wrong_is_in_its_outcome(functions: Functions, what: str) -> None:
    code, outcome, error = BAD[what]
    await deploy(functions, code, timeout_s=0.3 if outcome == "timeout" else None)
    ended = await functions.invoke(OWNER, "f")
    assert (ended.state, ended.outcome, ended.result) == ("done", outcome, None)
    assert ended.error is not None
    assert ended.error.name == error
    await deploy(functions, ADD)
    assert (await functions.invoke(OWNER, "f", [1])).result == 2


async def test_an_invocation_tells_what_came_of_it(functions: Functions) -> None:
    await deploy(
        functions, "import sys\ndef main(x):\n  print('out')\n  print('err', file=sys.stderr)\n  return {'x': x}"
    )
    ended = await functions.invoke(OWNER, "f", kwargs={"x": [1, None]})
    assert (ended.function, ended.version, ended.result) == ("f", 1, {"x": [1, None]})
    assert (ended.stdout, ended.stderr, ended.error) == ("out\n", "err\n", None)
    assert ended.started is not None
    assert 0 < ended.timings.run_ms <= ended.duration_ms


async def test_of_much_output_the_end_is_kept(functions: Functions) -> None:
    await deploy(functions, "def main():\n  print('x' * 100_000)\n  print('end')")
    stdout = (await functions.invoke(OWNER, "f")).stdout
    assert (len(stdout), stdout[-5:]) == (16 * 1024, "\nend\n")


async def test_a_result_over_its_limit_is_an_error(functions: Functions) -> None:
    await deploy(functions, "def main(n): return 'x' * n", limits=Limits(results_bytes=10_000))
    assert (await functions.invoke(OWNER, "f", [5000])).ok
    ended = await functions.invoke(OWNER, "f", [20_000])
    assert (ended.outcome, ended.result) == ("error", None)


async def test_arguments_are_checked_before_anything_runs(functions: Functions) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    await deploy(functions, ADD, schema=schema)
    assert (await functions.invoke(OWNER, "f", kwargs={"x": 1})).result == 2
    for call in (functions.invoke, functions.submit):
        with pytest.raises(InvalidRequest, match='x: "a" is not of type "integer"'):
            await call(OWNER, "f", kwargs={"x": "a"})
        with pytest.raises(InvalidRequest, match='"x" is a required property'):
            await call(OWNER, "f")
        with pytest.raises(InvalidRequest, match="takes its arguments by name"):
            await call(OWNER, "f", [1])
    assert len((await functions.logs(OWNER, "f")).data) == 1


async def test_arguments_that_cannot_be_sent(functions: Functions) -> None:
    await deploy(functions, ADD)
    with pytest.raises(InvalidRequest, match="NaN"):
        await functions.invoke(OWNER, "f", [float("nan")])
    with pytest.raises(TooLarge):
        await functions.invoke(OWNER, "f", ["x" * (9 << 20)])


async def test_no_more_run_at_once_than_may(functions: Functions, engine: Engine) -> None:
    await deploy(functions, WAIT, concurrency=2)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(functions.invoke, OWNER, "f")
        await eventually(lambda: len(held(engine)) == 2)
        with pytest.raises(QuotaExceeded, match="2 invocations of the function 'f' run, and 2 may") as refused:
            await functions.invoke(OWNER, "f")
        assert refused.value.retry_after_s == 1
        for session in held(engine):
            await eventually(partial(is_there, session))
            await session.files.delete("go")
    assert [each.outcome for each in (await functions.logs(OWNER, "f")).data] == ["ok", "ok"]


async def test_who_goes_away_interrupts_what_runs(functions: Functions, engine: Engine) -> None:
    await deploy(functions, WAIT)
    async with anyio.create_task_group() as caller:
        caller.start_soon(functions.invoke, OWNER, "f")
        await eventually(lambda: bool(held(engine)))
        [session] = held(engine)
        await eventually(lambda: is_there(session))
        assert engine.load["executions"] == 1
        caller.cancel_scope.cancel()
    # By itself it would go on for as long as its file is there.
    await eventually(lambda: engine.load["executions"] == 0 and session.ended is not None)
    [logged] = (await functions.logs(OWNER, "f")).data
    assert (logged.outcome, logged.error and logged.error.name) == ("cancelled", "Cancelled")


async def test_the_log_has_the_last_invocations_and_not_their_results(opened: Opened) -> None:
    async with opened(function_log=3) as functions:
        await deploy(functions, COUNT)
        ids = [(await functions.invoke(OWNER, "f")).id for _ in range(5)]
        assert [each.id for each in (await functions.logs(OWNER, "f")).data] == ids[:1:-1]
        assert (await functions.invocation(OWNER, ids[-1])).result is None
        with pytest.raises(NotFound):
            await functions.invocation(OWNER, ids[0])
    async with opened() as functions:
        assert len((await functions.logs(OWNER, "f", Page(2))).data) == 2
