"""What happens when a process that holds others up goes away, and that nothing outlives its server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import SandboxFailed, SessionNotFound
from tests.support.footprint import Footprint
from tests.support.guest import SMALL, Guest, chunks, content
from tests.support.processes import await_ends, children, descendants, named
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)

HOST = """
import sys
import anyio
from insitu.engine import Engine
from insitu.settings import Settings

async def main():
    async with Engine(Settings(preimport=(), pool_size=2)) as engine:
        session = await engine.create_session()
        assert (await engine.run(session, "1 + 1")).text == "2"
        busy = "import subprocess\\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\\nprint(1)\\n"
        busy += "while True: pass"
        async with engine.start(session, busy) as running:
            async for event in running.events():
                if event.kind == "stdout":
                    break
            while not engine.ready:
                await anyio.sleep(0.01)
            print("ready", flush=True)
            await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    before = Footprint.take()
    async with Engine(SMALL) as engine:
        yield engine
    await before.assert_nothing_left()


def start_host() -> subprocess.Popen[bytes]:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"ready\n"
    return host


def has_no_cgroups(pid: int) -> bool:
    folders = (Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup"))
    return not any(folder.name.startswith(f"insitu-{pid}-") for folder in folders)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_is_killed_leaves_nothing_running(number: int) -> None:
    # The second finds a machine as clean as the first did.
    for _ in range(2):
        with start_host() as host, contextlib.ExitStack() as stack:
            stack.callback(host.kill)
            below = descendants(host.pid)
            assert {"insitu-superv", "insitu-init", "insitu-zygote", "insitu-agent", "sleep"} <= set(below.values())
            host.send_signal(number)
            await_ends([*below, host.pid])
            await eventually(partial(has_no_cgroups, host.pid))


def supervised() -> list[int]:
    """The processes of the engine that the supervisor is to end; other tests have processes of their own."""
    return [pid for name in ("insitu-init", "insitu-zygote", "insitu-agent", "insitu-python") for pid in named(name)]


async def test_a_supervisor_that_is_killed_takes_the_sandboxes_with_it(engine: Engine) -> None:
    session = await engine.create_session()
    await engine.run(session, "1")
    below = supervised()
    os.kill(named("insitu-superv")[0], signal.SIGKILL)
    await_ends(below)
    await assert_recovers(engine)


async def test_a_supervisor_that_is_killed_as_it_starts_takes_its_init_with_it(engine: Engine) -> None:
    for _ in range(5):
        (old,) = named("insitu-superv")
        os.kill(named("insitu-init")[0], signal.SIGKILL)
        killed = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_until, killed, engine)
            below = await anyio.to_thread.run_sync(kill_new_supervisor, old, abandon_on_cancel=True)
            killed.set()
        await_ends(below)
        await assert_recovers(engine)


async def ask_until(enough: anyio.Event, engine: Engine) -> None:
    """Have the environment started again, by asking for it."""
    while not enough.is_set():
        await run_or_be_told(engine)


def kill_new_supervisor(old: int) -> list[int]:
    """Kill the next supervisor as soon as it has a child; that child."""
    while True:
        for pid in set(named("insitu-superv")) - {old}:
            if below := list(descendants(pid)):
                os.kill(pid, signal.SIGKILL)
                return below


async def test_sessions_outlive_their_zygote(engine: Engine) -> None:
    old = Guest(engine, await engine.create_session())
    await old.run("x = 1")
    (zygote,) = children(named("insitu-init")[0], "insitu-zygote")
    os.kill(zygote, signal.SIGKILL)
    await_ends([zygote])
    assert (await old.run("x")).text == "1"
    assert (await old.run("import os; os._exit(3)")).outcome == "crashed"
    assert await old.ask("answer = 1 + 1") == 2
    new = Guest(engine, await engine.create_session())
    assert await new.ask("answer = 1 + 1") == 2
    assert len(children(named("insitu-init")[0], "insitu-zygote")) == 1
    for guest in (old, new):
        await engine.end_session(guest.session)


async def test_a_zygote_that_dies_while_all_ask_for_it_comes_back_once(engine: Engine) -> None:
    for _ in range(3):
        (zygote,) = children(named("insitu-init")[0], "insitu-zygote")
        os.kill(zygote, signal.SIGKILL)
        await_ends([zygote])
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(run_or_be_told, engine)
        assert (await engine.run(None, "1 + 1")).text == "2"
        assert len(children(named("insitu-init")[0], "insitu-zygote")) == 1


async def run_or_be_told(engine: Engine) -> None:
    """Whoever comes before the death has been noticed is told of it."""
    with contextlib.suppress(SandboxFailed):
        assert (await engine.run(None, "1 + 1")).text == "2"


async def test_an_agent_that_dies_ends_its_session_alone(engine: Engine) -> None:
    doomed, other = [Guest(engine, await engine.create_session()) for _ in range(2)]
    await other.run("x = 1")
    before = set(named("insitu-agent"))
    pid = await doomed.host_pid()
    agent = await doomed.agent_pid()
    assert agent in before
    os.kill(agent, signal.SIGKILL)
    await_ends([agent, pid])
    with pytest.raises((SandboxFailed, SessionNotFound), match="died"):
        await doomed.run("1")
    with pytest.raises(SessionNotFound):
        await doomed.run("1")
    assert engine.sessions() == [other.session]
    assert (await other.run("x")).text == "1"
    await engine.end_session(other.session)


async def test_an_agent_that_dies_while_code_runs_ends_the_execution(engine: Engine) -> None:
    guest = Guest(engine, await engine.create_session())
    agent = await guest.agent_pid()
    async with engine.start(guest.session, "print('in', flush=True)\nwhile True: pass") as running:
        async for event in running.events():
            if event.kind == "stdout":
                os.kill(agent, signal.SIGKILL)
                break
        with pytest.raises(SandboxFailed):
            await running.result()
    await eventually(lambda: engine.sessions() == [])


async def test_a_sandbox_that_dies_is_no_cancellation_of_what_runs_or_waits_in_it(engine: Engine) -> None:
    guest = Guest(engine, await engine.create_session())
    agent = await guest.agent_pid()
    endless = "print('in', flush=True)\nwhile True: pass"
    async with engine.start(guest.session, endless) as running, engine.start(guest.session, "1") as waiting:
        async for event in running.events():
            if event.kind == "stdout":
                break
        os.kill(agent, signal.SIGKILL)
        await_ends([agent])  # holds up the loop: whoever looks for dead sessions is the first to know
        await engine.end_session(guest.session, "its sandbox died")
        with pytest.raises(SandboxFailed, match="has died"):
            await running.result()
        with pytest.raises(SessionNotFound, match="its sandbox died"):
            await waiting.result()


async def test_an_environment_whose_init_dies_begins_anew(engine: Engine) -> None:
    session = await engine.create_session()
    await engine.run(session, "1")
    below = supervised()
    os.kill(named("insitu-init")[0], signal.SIGKILL)
    await_ends(below)
    with pytest.raises((SandboxFailed, SessionNotFound), match="died"):
        await engine.run(session, "1")
    await assert_recovers(engine)


async def test_an_environment_that_cannot_begin_anew_is_no_callers_fault(tmp_path: Path) -> None:
    python = tmp_path / "gone/bin/python"
    venv.create(tmp_path / "gone", symlinks=True)
    async with Engine(SMALL.model_copy(update={"environments": {"gone": python}})) as engine:
        assert (await engine.run(None, "1 + 1", environment="gone")).text == "2"
        python.unlink()
        inits = named("insitu-init")
        for init in inits:
            os.kill(init, signal.SIGKILL)
        await_ends(inits)
        with pytest.raises(SandboxFailed):  # that it has died, or already what comes of it
            await engine.run(None, "1", environment="gone")
        with pytest.raises(SandboxFailed, match="cannot be started again: the environment 'gone' has no working"):
            await engine.run(None, "1", environment="gone")
        await assert_recovers(engine)


async def assert_recovers(engine: Engine) -> None:
    """Executions, sessions and files work again."""
    await run_or_be_told(engine)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(engine.run, None, "1 + 1")
    guest = Guest(engine, await engine.create_session())
    await guest.session.files.write("a", chunks(b"x"))
    assert await guest.ask("answer = open('a').read()") == "x"
    assert await content(guest.session.files, "a") == b"x"
    await engine.end_session(guest.session)


async def test_a_pool_whose_sandboxes_have_died_is_filled_anew() -> None:
    before = Footprint.take()
    async with Engine(SMALL.model_copy(update={"pool_size": 2})) as engine:
        await eventually(lambda: engine.ready)
        dead = named("insitu-agent")
        for agent in dead:
            os.kill(agent, signal.SIGKILL)
        await_ends(dead)
        assert (await engine.run(None, "1 + 1")).text == "2"
        await eventually(lambda: engine.load["pool_ready"] == 2 and engine.load["executions"] == 0)
        assert len(named("insitu-agent")) == 2
    await before.assert_nothing_left()


async def test_code_is_not_told_that_an_interpreter_died_in_the_pool() -> None:
    before = Footprint.take()
    async with Engine(SMALL.model_copy(update={"pool_size": 2})) as engine:
        await eventually(lambda: engine.ready)
        dead = named("insitu-python")
        for interpreter in dead:
            os.kill(interpreter, signal.SIGKILL)
        await_ends(dead)
        for _ in dead:
            execution = await engine.run(None, "1 + 1")
            assert (execution.outcome, execution.text, execution.state_kept) == ("ok", "2", True)
    await before.assert_nothing_left()


async def test_what_is_cancelled_half_way_leaves_nothing(engine: Engine) -> None:
    await engine.run(None, "1")
    before = Footprint.take()
    for step in range(60):
        with anyio.move_on_after(step * 0.0003):
            session = await engine.create_session()
            await engine.end_session(session)
        with anyio.move_on_after(step * 0.0003):
            await engine.run(None, "open('a', 'w').write('x')")
    for session in engine.sessions():
        await engine.end_session(session)
    assert (await engine.run(None, "1 + 1")).text == "2"
    await before.assert_nothing_left()
    assert set(engine.load.values()) == {0}, engine.load


async def test_an_engine_that_is_left_by_an_error_ends_all_it_made() -> None:
    before = Footprint.take()
    with pytest.raises(KeyError):
        async with Engine(SMALL) as engine:
            session = await engine.create_session()
            await engine.run(session, "import subprocess; subprocess.Popen(['sleep', '1000'])")
            raise KeyError
    await before.assert_nothing_left()


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async with Engine(SMALL):
        pass
    before = Footprint.take()
    for step in range(40):
        with anyio.move_on_after(0.006 * step):
            async with Engine(SMALL):
                pass
    await before.assert_nothing_left()
