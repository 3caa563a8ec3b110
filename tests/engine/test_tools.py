"""Tools that code calls: from threads and event loops, up to the end of its execution and no longer."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import anyio
import pytest

from insitu.engine import Engine, ToolFailure
from insitu.errors import NotFound
from insitu.types import MIB, Execution
from tests.support.calling import ECHO, FIND, TOOLS, Answer, calling, echo, perform
from tests.support.guest import Guest, chunks, content

# Of the limits that a call has: what is around the value counts, too.
ALMOST = 8 * MIB - 5000


async def run(guest: Guest, code: str, answer: Answer = echo, **options: Any) -> Execution:
    return await perform(guest.engine, guest.session, code, answer, **options)


def value(execution: Execution) -> str:
    """The value of the last expression, once it has ended well."""
    assert execution.outcome == "ok", execution
    assert execution.result is not None and execution.result.text is not None, execution
    return execution.result.text


async def text(guest: Guest, code: str, answer: Answer = echo, **options: Any) -> str:
    """The value of some code whose calls are answered."""
    return value(await run(guest, code, answer, **options))


def to_be_called(*_: Any) -> Any:
    raise AssertionError("this is not called")


@pytest.mark.parametrize("x", ["None", "[1, 2.5, {'a': [True]}]", "'ä\\n\\x00\\U0001f600'", "10**30", "b'x'", "{1, 2}"])
async def test_values_go_there_and_back(guest: Guest, x: str) -> None:
    assert await text(guest, f"tools.echo(x={x}) == {x}") == "True"


async def test_a_call_is_told_between_what_is_printed_before_and_after(engine: Engine, guest: Guest) -> None:
    code = "print('before'); y = tools.echo(x=1); print('after', y)"
    async with engine.start(guest.session, code, tools=[ECHO]) as running:
        told: list[Any] = []
        async for event in running.events():
            told.append((event.kind, event.data.get("text") or event.data.get("value")))
            if event.kind == "tool_call":
                assert (event.data["name"], event.data["arguments"]) == ("echo", {"x": 1})
                await running.answer(event.data["call_id"], event.data["arguments"]["x"])
    assert told == [
        ("started", None),
        ("stdout", "before\n"),
        ("tool_call", None),
        ("tool_result", 1),
        ("stdout", "after 1\n"),
        ("finished", None),
    ]


# Few threads: where there are no control groups, a user's are counted together.
MANY = {
    "threads": """
        import threading
        got = {}
        threads = [threading.Thread(target=lambda x=x: got.update({x: tools.echo(x=x)})) for x in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        got == {x: x for x in range(8)}
    """,
    "gather": """
        import asyncio
        await asyncio.gather(*(tools.echo.aio(x=x) for x in range(8))) == list(range(8))
    """,
    "threads beside gather": """
        import asyncio, threading
        got = {}
        threads = [threading.Thread(target=lambda x=x: got.update({x: tools.echo(x=x)})) for x in range(4)]
        for thread in threads: thread.start()
        awaited = await asyncio.gather(*(tools.echo.aio(x=x) for x in range(4, 8)))
        for thread in threads: thread.join()
        (got, awaited) == ({x: x for x in range(4)}, list(range(4, 8)))
    """,
    "threads of a loop": """
        import asyncio, concurrent.futures
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(8))
        await asyncio.gather(*(asyncio.to_thread(tools.echo, x=x) for x in range(8))) == list(range(8))
    """,
    "loops in threads": """
        import asyncio, threading
        got = {}
        async def both(x): return await asyncio.gather(*(tools.echo.aio(x=x + n) for n in range(8)))
        def work(x): got[x] = asyncio.run(both(x))
        threads = [threading.Thread(target=work, args=[x]) for x in (0, 8)]
        for thread in threads: thread.start()
        last = [tools.echo(x=x) for x in range(16, 24)]
        for thread in threads: thread.join()
        [*got[0], *got[8], *last] == list(range(24))
    """,
}


@pytest.mark.parametrize("way", MANY)
async def test_many_calls_at_once_get_their_own_answers(guest: Guest, way: str) -> None:
    assert await text(guest, MANY[way]) == "True"


@pytest.mark.parametrize("way", ["threads", "gather", "threads beside gather", "threads of a loop"])
async def test_answers_may_come_in_any_order(engine: Engine, guest: Guest, way: str) -> None:
    async with calling(engine, guest.session, MANY[way]) as caller:
        calls = await caller.calls(8)
        for x in sorted(calls, reverse=True):
            await caller.answer(calls[x], x)
        assert value(await caller.result()) == "True"


async def test_a_loop_goes_on_while_it_waits_for_an_answer(engine: Engine, guest: Guest) -> None:
    code = """
    import asyncio
    waiting = asyncio.ensure_future(tools.echo.aio(x=1))
    for n in range(3): await asyncio.sleep(0)
    print("goes on")
    await waiting
    """
    async with calling(engine, guest.session, code) as caller:
        call, _ = await caller.call()
        await caller.output("goes on")
        await caller.answer(call, 5)
        assert value(await caller.result()) == "5"


FAILURES = {
    "ValueError": "ValueError",
    "KeyError": "KeyError",
    "FileNotFoundError": "FileNotFoundError",
    "UnicodeDecodeError": "UnicodeError",
    "ExceptionGroup": "ToolError",
    "StopIteration": "ToolError",
    "KeyboardInterrupt": "ToolError",
    "SystemExit": "ToolError",
    "print": "ToolError",
    "HTTPStatusError": "ToolError",
    "__class__": "ToolError",
    "": "ToolError",
}


@pytest.mark.parametrize("name", FAILURES)
async def test_failures_are_raised_as_what_they_were(guest: Guest, name: str) -> None:
    code = f"""
    import builtins
    try:
        tools.echo()
    except Exception as error:
        failed = error
    kind = getattr(builtins, {FAILURES[name]!r}, tools.Error)
    type(failed).__name__, isinstance(failed, kind), isinstance(failed, tools.Error), "what went wrong" in str(failed)
    """
    told = await text(guest, code, lambda *_: ToolFailure(name, "what went wrong"))
    assert told == repr((FAILURES[name], True, True, True))


async def test_a_failure_that_nobody_catches_is_the_error_of_the_code(guest: Guest) -> None:
    execution = await run(guest, "tools.echo()", lambda *_: ToolFailure("ValueError", "no such thing"))
    assert execution.outcome == "error" and execution.error is not None
    assert (execution.error.name, execution.error.value) == ("ValueError", "no such thing")


async def test_what_was_not_granted_is_refused(guest: Guest) -> None:
    code = """
    def failure(call):
        try: call()
        except Exception as error: return type(error).__name__
    echo = tools.echo
    failure(lambda: tools.find()), failure(lambda: tools["find"]), failure(lambda: echo(x=1))
    """
    assert await text(guest, code, tools=[ECHO]) == "('AttributeError', 'KeyError', None)"
    # Those of another time are known by their name.
    assert await text(guest, "failure(lambda: echo(x=1)), tools.find(x=2)", tools=[FIND]) == "('LookupError', 2)"
    assert await text(guest, "failure(lambda: echo(x=1))", to_be_called, tools=()) == "'ToolError'"
    assert await text(guest, "echo(x=1)", tools=[ECHO]) == "1"


async def test_the_name_is_given_back(guest: Guest) -> None:
    assert await text(guest, "type(tools).__name__") == "'Tools'"
    assert (await run(guest, "tools", tools=())).outcome == "error"
    assert (await run(guest, "tools = ['hammer']", tools=())).outcome == "ok"
    assert await text(guest, "type(tools).__name__") == "'Tools'"
    assert await text(guest, "tools", tools=()) == "['hammer']"
    assert (await run(guest, "tools = 'mine'")).outcome == "ok"
    assert await text(guest, "tools", tools=()) == "'mine'"
    assert (await run(guest, "del tools")).outcome == "ok"
    assert await text(guest, "'tools' in globals()", tools=()) == "False"


@pytest.mark.parametrize("way", ["tools.echo(x=1)", "await tools.echo.aio(x=1)"])
async def test_an_interrupt_ends_the_wait_and_a_late_answer_is_no_others(
    engine: Engine, guest: Guest, way: str
) -> None:
    code = f"""
    kept = 5
    try:
        {way}
    except BaseException as error:
        told = type(error).__name__
    print(told, tools.echo(x=2))
    """
    async with calling(engine, guest.session, code) as caller:
        first, _ = await caller.call()
        await caller.running.interrupt()
        second, _ = await caller.call()
        await caller.answer(first, "late")
        await caller.answer(second, "in time")
        execution = await caller.result()
    assert (execution.outcome, execution.state_kept) == ("cancelled", True)
    assert execution.stdout in ("KeyboardInterrupt in time\n", "CancelledError in time\n")
    assert await text(guest, "kept, tools.echo(x=3)") == "(5, 3)"


async def test_a_wait_of_a_thread_outlives_an_interrupt_of_the_code(engine: Engine, guest: Guest) -> None:
    code = """
    import threading
    got = []
    thread = threading.Thread(target=lambda: got.append(tools.echo(x=1)))
    thread.start()
    try:
        tools.echo(x=2)
    except KeyboardInterrupt:
        thread.join()
        print(got)
    """
    async with calling(engine, guest.session, code) as caller:
        calls = await caller.calls(2)
        await caller.running.interrupt()
        await caller.answer(calls[1], "its own")
        assert (await caller.result()).stdout == "['its own']\n"


async def test_a_timeout_ends_the_wait(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, "kept = 5; tools.echo()", timeout_s=0.2) as caller:
        call, _ = await caller.call()
        execution = await caller.result()
        assert (execution.outcome, execution.state_kept) == ("timeout", True)
        with pytest.raises(NotFound):
            await caller.answer(call)
    assert await text(guest, "kept, tools.echo(x=1)") == "(5, 1)"


async def test_calls_are_answered_once_and_by_their_id(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, "tools.echo(x=1), tools.echo(x=2)") as caller:
        with pytest.raises(NotFound):
            await caller.answer("call_0")
        first, _ = await caller.call()
        await caller.answer(first, 1)
        with pytest.raises(NotFound):
            await caller.answer(first, 1)
        second, _ = await caller.call()
        await caller.answer(second, 2)
        assert value(await caller.result()) == "(1, 2)"
        with pytest.raises(NotFound):
            await caller.answer(second, 2)


LEFT_BEHIND = """
import threading
told = []
def work():
    try:
        told.append(tools.echo(x='thread'))
    except tools_error as error:
        told.append(type(error).__name__)
tools_error = tools.Error
thread = threading.Thread(target=work)
thread.start()
"""


async def test_a_thread_that_waits_when_the_code_ends_is_told(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, f"{LEFT_BEHIND}tools.echo(x='last')") as caller:
        calls = await caller.calls(2)
        await caller.answer(calls["last"])
        assert (await caller.result()).outcome == "ok"
        with pytest.raises(NotFound):
            await caller.answer(calls["thread"])
    assert await text(guest, "thread.join(); told", tools=()) == "['ToolError']"


@pytest.mark.parametrize("size", [1, 8 * MIB - 100])
async def test_an_answer_may_come_as_the_code_ends(engine: Engine, guest: Guest, size: int) -> None:
    for _ in range(5):
        async with calling(engine, guest.session, f"{LEFT_BEHIND}tools.echo(x='last')") as caller:
            calls = await caller.calls(2)
            await caller.answer(calls["last"])
            await caller.answer(calls["thread"], "x" * size)
            assert (await caller.result()).outcome == "ok"
        assert await text(guest, "thread.join(); len(told), tools.echo(x=1)") == "(1, 1)"


async def test_a_thread_that_outlives_its_code_calls_what_later_code_may(engine: Engine, guest: Guest) -> None:
    code = """
    import threading
    told, turn, done = [], threading.Semaphore(0), threading.Semaphore(0)
    def work(echo):
        while True:
            turn.acquire()
            try:
                told.append(echo(x=1))
            except Exception as error:
                told.append(type(error).__name__)
            done.release()
    thread = threading.Thread(target=work, args=[tools.echo], daemon=True)
    thread.start()
    """
    assert (await run(guest, code)).outcome == "ok"
    step = "turn.release(); done.acquire(); told[-1]"
    assert await text(guest, step, to_be_called, tools=()) == "'ToolError'"
    assert await text(guest, step, to_be_called, tools=[FIND]) == "'LookupError'"
    assert await text(guest, step) == "1"


async def test_what_a_thread_calls_between_two_cells_is_refused(guest: Guest) -> None:
    code = """
    import os, threading, time
    def work(echo):
        while not os.path.exists("go"): time.sleep(0.002)
        try:
            echo(x=1)
        except RuntimeError as error:
            open("told", "w").write(type(error).__name__)
        os.rename("told", "all")
    threading.Thread(target=work, args=[tools.echo]).start()
    """
    assert (await run(guest, code)).outcome == "ok"
    await guest.session.files.write("go", chunks())
    while "all" not in [info.path for info in await guest.session.files.list()]:  # noqa: ASYNC110 - sets no event
        await anyio.sleep(0.01)
    assert await content(guest.session.files, "all") == b"ToolError"
    assert await text(guest, "tools.echo(x=1)") == "1"


async def test_a_task_that_outlives_its_code_is_told(engine: Engine, guest: Guest) -> None:
    code = "import asyncio\ntask = asyncio.ensure_future(tools.echo.aio(x=1))\nawait asyncio.sleep(0)"
    async with calling(engine, guest.session, code) as caller:
        await caller.call()
        assert (await caller.result()).outcome == "ok"
    code = """
    try:
        await task
    except RuntimeError as error:
        print(type(error).__name__)
    await tools.echo.aio(x=2)
    """
    execution = await run(guest, code)
    assert (execution.stdout, value(execution)) == ("ToolError\n", "2")


async def test_a_display_of_a_thread_comes_in_order_while_another_waits(engine: Engine, guest: Guest) -> None:
    code = """
    import threading
    def show():
        for n in range(50):
            print("before", n)
            display(n)
    thread = threading.Thread(target=show)
    thread.start()
    tools.echo()
    """
    async with calling(engine, guest.session, code) as caller:
        call, _ = await caller.call()
        seen: list[Any] = []
        async for event in caller.running.events():
            if event.kind == "stdout":
                seen += event.text.split("\n")[:-1]
            elif event.kind == "result":
                seen.append(event.data["data"]["text/plain"])
            if len(seen) == 100:
                break
        await caller.answer(call, 7)
        assert value(await caller.result()) == "7"
    assert seen == [told for n in range(50) for told in (f"before {n}", f"{n}")]


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


CHILDREN = {
    "a fork": """
        import os
        if (child := os.fork()) == 0:
            try:
                tools.echo(x=1)
            except RuntimeError as error:
                open("told", "w").write(str(error))
            os._exit(0)
        os.waitpid(child, 0)
        told = open("told").read()
    """,
    "a process of multiprocessing": """
        import multiprocessing
        def work(queue):
            try:
                queue.put(tools.echo(x=1))
            except RuntimeError as error:
                queue.put(str(error))
        fork = multiprocessing.get_context("fork")
        queue = fork.Queue()
        process = fork.Process(target=work, args=[queue])
        process.start()
        told = queue.get()
        process.join()
    """,
    "a child while a thread waits": """
        import os, threading
        thread = threading.Thread(target=lambda: tools.find(x=1))
        thread.start()
        if (child := os.fork()) == 0:
            try:
                tools.echo(x=1)
            except RuntimeError as error:
                open("told", "w").write(str(error))
            os._exit(0)
        os.waitpid(child, 0)
        thread.join()
        told = open("told").read()
    """,
}


@pytest.mark.parametrize("way", CHILDREN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_child_process_is_told_that_it_may_not(guest: Guest, way: str) -> None:
    code = CHILDREN[way].replace("\n        ", "\n") + "\ntold, tools.echo(x=2)"
    refusal = "tools can be called by the process that the code runs in, and not by its children"
    assert await text(guest, code) == repr((refusal, 2))


@pytest.mark.parametrize("what", ["tools", "tools.echo"])
async def test_tools_are_not_pickled(guest: Guest, what: str) -> None:
    execution = await run(guest, f"import pickle; pickle.dumps({what})")
    assert execution.error is not None
    assert execution.error.value == "tools cannot be pickled: only the process that the code runs in can call them"


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


async def test_code_without_tools_meets_none(guest: Guest) -> None:
    assert await text(guest, "'tools' in globals()", to_be_called, tools=()) == "False"
