"""Tools that code calls: from threads and event loops, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from insitu.engine import Engine, ToolFailure
from insitu.errors import NotFound
from tests.engine.calls import run, text, to_be_called, value
from tests.support.calling import ECHO, FIND, calling
from tests.support.guest import Guest


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


@pytest.mark.parametrize("what", ["tools", "tools.echo"])
async def test_tools_are_not_pickled(guest: Guest, what: str) -> None:
    execution = await run(guest, f"import pickle; pickle.dumps({what})")
    assert execution.error is not None
    assert execution.error.value == "tools cannot be pickled: only the process that the code runs in can call them"


async def test_code_without_tools_meets_none(guest: Guest) -> None:
    assert await text(guest, "'tools' in globals()", to_be_called, tools=()) == "False"
