"""Calls of tools at the end: of a wait, of an execution, of what it has left behind."""

from __future__ import annotations

import pytest

from insitu.engine import Engine
from insitu.errors import NotFound
from insitu.types import MIB
from tests.engine.calls import run, text, to_be_called, value
from tests.support.calling import FIND, calling
from tests.support.guest import Guest, appears, chunks, content


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
    async with calling(engine, guest.session, "kept = 5; tools.echo()", timeout_s=0.5) as caller:
        call, _ = await caller.call()
        execution = await caller.result()
        assert (execution.outcome, execution.state_kept) == ("timeout", True)
        with pytest.raises(NotFound):
            await caller.answer(call)
    assert await text(guest, "kept, tools.echo(x=1)") == "(5, 1)"


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
    await appears(guest.session.files, "all")
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
