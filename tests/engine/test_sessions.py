"""Sessions: their state, their queue, their ends."""

from __future__ import annotations

import contextlib
import re
import textwrap
from dataclasses import replace

import anyio
import pytest

from insitu.engine import Engine, FileUpload
from insitu.errors import InvalidRequest, OverCeiling, PathRefused, QuotaExceeded, SessionNotFound, TooLarge
from insitu.settings import Settings
from insitu.types import MIB, Execution
from tests.support.guest import SMALL, Guest, chunks
from tests.support.waiting import eventually


async def test_state_and_files_live_from_execution_to_execution(guest: Guest) -> None:
    await guest.run("x = 1; open('a', 'w').write('a')")
    assert (await guest.run("x + 1")).text == "2"
    assert (await guest.run("import os; os.listdir()")).text == "['a']"


async def test_ids_say_what_they_are_of(engine: Engine, guest: Guest) -> None:
    execution = await guest.run("1")
    assert re.fullmatch(r"sess_[0-9a-f]{32}", guest.session.id)
    assert re.fullmatch(r"exec_[0-9a-f]{32}", execution.id)
    assert execution.session_id == guest.session.id


async def test_a_session_is_its_owners_alone(engine: Engine) -> None:
    session = await engine.create_session(owner="one", metadata={"a": "b"})
    assert engine.session(session.id, owner="one") is session
    assert engine.sessions(owner="one") == [session]
    assert engine.sessions(owner="two") == []
    for owner in ("two", ""):
        with pytest.raises(SessionNotFound):
            engine.session(session.id, owner=owner)
    await engine.end_session(session)
    with pytest.raises(SessionNotFound):
        engine.session(session.id, owner="one")


async def test_a_session_describes_itself(engine: Engine) -> None:
    limits = replace(SMALL.limits(), timeout_s=5)
    session = await engine.create_session(limits=limits, env_vars={"A": "1"}, metadata={"k": "v"}, ttl_s=100)
    await engine.run(session, "1")
    info = session.info()
    assert (info.environment, info.tier, info.limits, info.state) == ("default", "process", limits, "idle")
    assert (info.executions, info.env_vars, info.metadata) == (1, ("A",), {"k": "v"})
    assert info.created <= info.last_used < info.expires <= info.created + 100
    await engine.end_session(session)


async def test_executions_of_one_session_come_one_after_the_other(engine: Engine, guest: Guest) -> None:
    order: list[int] = []

    async def run(number: int) -> None:
        execution = await guest.run(
            f"import time; time.sleep(0.01); seen = globals().get('seen', []) + [{number}]; seen"
        )
        order.append(len(eval(execution.text)))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(run, number)
    assert order == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (await guest.run("seen")).text == "[0, 1, 2, 3, 4, 5, 6, 7]"


async def test_a_session_has_room_for_so_many_that_wait(engine: Engine, guest: Guest) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(engine.start(guest.session, "import time; time.sleep(1000)"))
        with pytest.raises(QuotaExceeded, match="32 executions wait for the session"):
            await guest.run("1")
    await eventually(lambda: engine.load["executions"] == 0)
    assert (await guest.run("1")).outcome == "ok"


async def test_what_is_cancelled_while_it_waits_never_runs(engine: Engine, guest: Guest) -> None:
    async with engine.start(guest.session, "import time; time.sleep(1000)") as first:
        await anext(first.events())
        async with engine.start(guest.session, "open('ran', 'w').close()") as second:
            await second.interrupt()
            execution = await second.result()
        assert (execution.outcome, execution.exit_code, execution.state_kept) == ("cancelled", 130, True)
        await first.interrupt()
    assert (await first.result()).outcome == "cancelled"
    assert await guest.ask("answer = os.path.exists('ran')") is False


async def test_an_interrupt_stops_what_runs_and_keeps_the_state(engine: Engine, guest: Guest) -> None:
    assert await guest.session.interrupt() is False
    await guest.run("x = 1")
    async with engine.start(guest.session, "import time\nprint('in', flush=True)\ntime.sleep(1000)") as running:
        async for event in running.events():
            if event.kind == "stdout":
                assert guest.session.info().state == "busy"
                assert await guest.session.interrupt() is True
        execution = await running.result()
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("cancelled", 130, True)
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("Cancelled", "the execution was interrupted")
    assert (await guest.run("x")).text == "1"


async def test_an_interrupt_that_ends_no_system_call_is_heard(engine: Engine, guest: Guest) -> None:
    # The signal goes to another thread, as if it had come a moment before the main one began to sleep.
    code = """
    import signal, threading, time
    def tell():
        state = "R"
        while state != "S":
            time.sleep(0.01)
            state = open("/proc/self/stat").read().rpartition(")")[2].split()[0]
        print("in", flush=True)
        time.sleep(1000)
    threading.Thread(target=tell, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    kept = 5
    time.sleep(1000)
    """
    async with engine.start(guest.session, textwrap.dedent(code)) as running:
        async for event in running.events():
            if event.kind == "stdout":
                await running.interrupt()
        execution = await running.result()
    assert (execution.outcome, execution.state_kept) == ("cancelled", True)
    assert (await guest.run("kept")).text == "5"


async def test_an_interrupt_that_is_not_heard_becomes_a_kill(engine: Engine, guest: Guest) -> None:
    code = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('in', flush=True)\nwhile True: pass"
    async with engine.start(guest.session, code) as running:
        async for event in running.events():
            if event.kind == "stdout":
                await running.interrupt()
        execution = await running.result()
    assert (execution.outcome, execution.state_kept) == ("cancelled", False)
    assert (await guest.run("1")).outcome == "ok"


async def test_ending_a_session_ends_what_runs_in_it(engine: Engine) -> None:
    session = await engine.create_session()
    ended: list[Execution] = []
    async with engine.start(session, "print('in', flush=True)\nwhile True: pass") as running:
        async for event in running.events():
            if event.kind == "stdout":
                await engine.end_session(session)
        ended.append(await running.result())
    assert [execution.outcome for execution in ended] == ["cancelled"]
    with pytest.raises(SessionNotFound, match="it was ended"):
        await engine.run(session, "1")
    with pytest.raises(SessionNotFound):
        await session.files.list()


async def test_a_session_ends_when_its_time_is_over(engine: Engine) -> None:
    session = await engine.create_session(ttl_s=0.2)
    await eventually(lambda: session.ended is not None)
    assert session.ended == "its idle time or ttl was over"
    with pytest.raises(SessionNotFound, match="its idle time or ttl was over"):
        await engine.run(session, "1")


async def test_a_session_that_is_used_is_not_idle(engine: Engine) -> None:
    idle, used = [await engine.create_session(idle_timeout_s=0.5) for _ in range(2)]
    async with engine.start(used, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)") as running:
        await eventually(lambda: idle.ended is not None)
        assert used.ended is None
        await used.files.write("go", chunks())
        assert (await running.result()).outcome == "ok"
    await eventually(lambda: used.ended is not None)


async def test_a_sessions_times_can_be_changed(engine: Engine) -> None:
    session = await engine.create_session()
    before = session.info()
    session.update(ttl_s=50, idle_timeout_s=7, metadata={"a": "b"})
    after = session.info()
    assert (after.idle_timeout_s, after.metadata) == (7, {"a": "b"})
    assert after.expires < before.expires
    session.update(ttl_s=0.001)
    await eventually(lambda: session.ended is not None)


async def test_variables_of_the_session_and_of_one_execution(engine: Engine) -> None:
    session = await engine.create_session(env_vars={"A": "session", "B": "session"})
    show = "import os, subprocess; [os.environ.get('A'), os.environ.get('B'), os.environ.get('C')]"
    assert (await engine.run(session, show, env_vars={"B": "one", "C": "ü"})).text == "['session', 'one', 'ü']"
    assert (await engine.run(session, show)).text == "['session', 'session', None]"
    assert (await engine.run(session, "!echo $A")).stdout == "session\n"
    await engine.run(session, "import os; os._exit(1)")
    assert (await engine.run(session, show)).text == "['session', 'session', None]"
    await engine.end_session(session)


@pytest.mark.parametrize("variables", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "\0"}])
async def test_variables_that_cannot_be_are_refused(engine: Engine, variables: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="impossible name or value"):
        await engine.create_session(env_vars=variables)
    with pytest.raises(InvalidRequest, match="impossible name or value"):
        await engine.run(None, "1", env_vars=variables)


async def test_files_go_in_and_come_back(engine: Engine, guest: Guest) -> None:
    files = [FileUpload("in/a.txt", b"abc"), FileUpload("/mnt/data/b.bin", bytes(range(256)))]
    code = "open('out.txt', 'w').write(open('in/a.txt').read() * 2); open('skip', 'w').close()"
    execution = await guest.run(code, files=files, return_files=["*.txt", "*.bin"])
    returned = {info.path: info.content for info in execution.files}
    assert returned == {"in/a.txt": b"abc", "b.bin": bytes(range(256)), "out.txt": b"abcabc", "skip": None}


async def test_changed_files_are_named_once(guest: Guest) -> None:
    first = await guest.run("import os; os.mkdir('d'); open('a', 'w').write('1'); open('d/b', 'w').write('22')")
    assert {(info.path, info.size) for info in first.files} == {("a", 1), ("d/b", 2)}
    assert (await guest.run("1")).files == ()
    again = await guest.run("open('a', 'w').write('333')")
    assert [(info.path, info.size) for info in again.files] == [("a", 3)]
    killed = await guest.run("open('c', 'w').write('4'); import os; os._exit(1)")
    assert [(info.path, info.size) for info in killed.files] == [("c", 1)]
    assert (await guest.run("import os; os.remove('a')")).files == ()


async def test_files_that_the_caller_wrote_are_not_news(guest: Guest) -> None:
    execution = await guest.run("open('mine', 'w').close()", files=[FileUpload("yours", b"x")])
    assert [info.path for info in execution.files] == ["mine"]


async def test_what_cannot_be_done_is_refused(engine: Engine, guest: Guest) -> None:
    ceiling = SMALL.max_timeout_s
    with pytest.raises(OverCeiling, match=rf"timeout_s is {ceiling + 1:g}, over this server's ceiling of {ceiling:g}"):
        await guest.run("1", timeout_s=ceiling + 1)
    for timeout_s in (0, -1, float("nan")):
        with pytest.raises(InvalidRequest, match="timeout_s"):
            await guest.run("1", timeout_s=timeout_s)
    with pytest.raises(InvalidRequest, match="NUL byte"):
        await guest.run("x = '\0'")
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        await guest.run("x = '\ud800'")
    with pytest.raises(TooLarge, match="the code has 20000002 bytes; at most 4194304 are taken"):
        await guest.run("#" + "x" * 20_000_001)
    with pytest.raises(PathRefused):
        await guest.run("1", files=[FileUpload("../x", b"")])
    with pytest.raises(InvalidRequest, match="there is no environment 'nope'"):
        await engine.run(None, "1", environment="nope")
    with pytest.raises(InvalidRequest, match="there is no tier 'nope'"):
        await engine.create_session(tier="nope")


@pytest.mark.parametrize("name", ["memory_bytes", "cpus", "processes", "disk_bytes", "output_bytes", "results_bytes"])
def test_limits_over_the_ceiling_are_refused(name: str) -> None:
    ceiling = getattr(SMALL, f"max_{name}")
    with pytest.raises(OverCeiling, match=f"{name} is .* over this server's ceiling"):
        SMALL.limits(**{name: ceiling + 1})
    with pytest.raises(InvalidRequest, match=f"{name} is 0; it must be at least "):
        SMALL.limits(**{name: 0})


def test_a_disk_that_leaves_no_memory_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="head-room"):
        SMALL.limits(memory_bytes=128 * MIB, disk_bytes=100 * MIB)


async def test_code_of_the_largest_size_runs(guest: Guest) -> None:
    execution = await guest.run("x = 1\n#" + "x" * (SMALL.code_bytes - 100) + "\nx + 1")
    assert execution.text == "2"


async def test_large_code_within_no_time_keeps_the_conversation_whole(guest: Guest) -> None:
    execution = await guest.run("x = 1\n#" + "x" * (SMALL.code_bytes - 100), timeout_s=0.0001)
    assert execution.outcome in ("ok", "timeout")
    assert await guest.ask("answer = 1 + 1") == 2


@pytest.mark.parametrize("options", [{"max_timeout_s": 10}, {"max_memory_bytes": 512 << 20}, {"max_ttl_s": 60}])
def test_a_lower_ceiling_lowers_the_default(options: dict[str, float]) -> None:
    ((name, ceiling),) = options.items()
    assert getattr(Settings.model_validate(options), name.removeprefix("max_")) == ceiling


def test_a_default_over_its_ceiling_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="timeout_s is 20, over max_timeout_s, which is 10"):
        Settings(timeout_s=20, max_timeout_s=10)


@pytest.mark.parametrize("text", ["a", "a=", "default=/x", "a=/x,a=/y"])
def test_an_environment_without_name_or_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no name=python, or the name is taken"):
        Settings.model_validate({"environments": text})
