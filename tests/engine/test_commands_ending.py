"""How shell commands end: by themselves, on time, when somebody leaves; they take with them what they started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import SandboxFailed
from insitu.types import MIB
from tests.engine.commands import WAIT, processes, run, until_alone, until_output
from tests.support.footprint import Footprint
from tests.support.guest import SMALL, Guest, chunks, content
from tests.support.waiting import eventually

DAEMONS = """
import os, subprocess
for _ in range(5):
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "1000"])
else:
    while True:
        pass
"""


@pytest.fixture
async def other(engine: Engine) -> AsyncIterator[Guest]:
    """Another session."""
    session = await engine.create_session()
    yield Guest(engine, session)
    await engine.end_session(session)


@pytest.mark.parametrize(
    "command",
    [
        "sleep 1000",
        "while :; do :; done",
        "trap '' INT TERM HUP; sleep 1000; sleep 1000",
        "sleep 1000 & sleep 1001 | sleep 1002 & wait",
        "setsid sleep 1000 & setsid -f sleep 1000; (setsid sleep 1000 &) ; sleep 1000",
        "(setsid bash -c '(sleep 1000 &); exec sleep 1000' &) ; kill -STOP $$",
        "while :; do sleep 1000 & done",
        "f() { f | f & }; f; sleep 1000",
        ["python", "-c", DAEMONS],
    ],
)
async def test_a_time_out_takes_all_that_the_command_has_started(guest: Guest, command: str | list[str]) -> None:
    await guest.run("mark = 1")
    execution = await run(guest, command, timeout_s=0.5)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("timeout", 124, True)
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("Timeout", "the command ran longer than its 0.5 s")
    await until_alone(guest)
    assert (await guest.run("mark")).text == "1"


async def test_a_time_out_harms_no_neighbour(engine: Engine, guest: Guest, other: Guest) -> None:
    code = "import subprocess; child = subprocess.Popen(['sleep', '1000']); mark = 1"
    for neighbour in (guest, other):
        await neighbour.run(code)
    async with contextlib.AsyncExitStack() as stack:
        start = [engine.start_command(g.session, f"echo in; {WAIT}; echo out") for g in (guest, other)]
        running = [await stack.enter_async_context(one) for one in start]
        for one in running:
            await until_output(one)
        assert (await run(guest, "setsid sleep 1000 & sleep 1000", timeout_s=0.2)).outcome == "timeout"
        for neighbour in (guest, other):
            assert await neighbour.ask("answer = [mark, child.poll()]") == [1, None]
            await neighbour.session.files.write("go", chunks())
        assert [(await one.result()).stdout for one in running] == ["in\nout\n", "in\nout\n"]


async def test_what_was_written_before_the_end_is_there(guest: Guest) -> None:
    execution = await run(guest, "echo out; echo err >&2; printf rest; sleep 1000", timeout_s=1)
    assert (execution.outcome, execution.stdout, execution.stderr) == ("timeout", "out\nrest", "err\n")
    execution = await run(guest, "echo out; kill -9 $$")
    assert (execution.outcome, execution.stdout) == ("crashed", "out\n")


async def test_an_interrupt_kills_the_command(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, "trap '' INT; echo in; sleep 1000 & wait") as running:
        await until_output(running)
        await running.interrupt()
        execution = await running.result()
    assert (execution.outcome, execution.exit_code, execution.stdout) == ("cancelled", 130, "in\n")
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("Cancelled", "the command was interrupted")
    await until_alone(guest)


async def test_leaving_the_context_kills_the_command(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, "echo in; sleep 1000 & wait") as running:
        await until_output(running)
    assert (await running.result()).outcome == "cancelled"
    async with engine.start_command(guest.session, "sleep 1000") as running:
        pass  # before it has begun
    assert (await running.result()).outcome == "cancelled"
    with anyio.move_on_after(0.1):
        async with engine.start_command(guest.session, "sleep 1000") as running:
            await running.result()
    assert (await running.result()).outcome == "cancelled"
    await until_alone(guest)


async def test_in_the_background_nothing_is_cancelled(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, f"{WAIT}; echo done", background=True) as running:
        pass
    await guest.session.files.write("go", chunks())
    assert (await running.result()).stdout == "done\n"


async def test_an_interrupt_after_the_end_changes_nothing(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, "echo out; sleep 1000 &") as running:
        await until_output(running)
        execution = await running.result()
        await running.interrupt()
    assert (await running.result(), execution.outcome) == (execution, "ok")


async def test_what_is_left_in_the_background_holds_nobody_up_and_lives_on(guest: Guest) -> None:
    execution = await run(guest, "(while [ ! -e go ]; do echo noise; sleep 0.01; done; echo x > survived) & echo out")
    assert (execution.outcome, set(execution.stdout.split())) == ("ok", {"out", "noise"})
    await guest.session.files.write("go", chunks())
    await until_alone(guest)
    assert await content(guest.session.files, "survived") == b"x\n"


async def test_ending_the_session_ends_its_commands(engine: Engine) -> None:
    session = await engine.create_session()
    async with engine.start_command(session, "echo in; sleep 1000") as running:
        await until_output(running)
        await engine.end_session(session)
        execution = await running.result()
    assert (execution.outcome, execution.stdout, execution.session_id) == ("cancelled", "in\n", session.id)
    await eventually(lambda: engine.load["executions"] == engine.load["sandboxes"] == 0)


async def test_a_sandbox_that_dies_fails_its_commands(engine: Engine) -> None:
    session = await engine.create_session()
    agent = await Guest(engine, session).agent_pid()
    async with engine.start_command(session, "echo in; sleep 1000") as running:
        await until_output(running)
        os.kill(agent, signal.SIGKILL)
        with pytest.raises(SandboxFailed, match="the sandbox died while the command ran"):
            await running.result()
    assert not session.healthy
    await eventually(lambda: session.ended == "its sandbox died")


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "import os; os.abort()"])
async def test_the_interpreters_death_spares_the_commands_that_run(engine: Engine, guest: Guest, end: str) -> None:
    await run(guest, "sleep 1000 >/dev/null 2>&1 &")
    start = f"(setsid sleep 1000 >/dev/null 2>&1 &); echo in; {WAIT}; echo out"
    async with engine.start_command(guest.session, start) as running:
        await until_output(running)
        leave = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)"
        assert (await guest.run(f"{leave}\n{end}")).outcome == "crashed"
        await guest.session.files.write("go", chunks())
        assert (await running.result()).stdout == "in\nout\n"
    # What the command itself has left is all that is left of all of them.
    assert await processes(guest) == 1
    assert (await guest.run("import os; os._exit(3)")).outcome == "crashed"
    await until_alone(guest)


@pytest.mark.usefixtures("cgroups")
async def test_memory_that_runs_out_is_told_from_a_kill(guest: Guest) -> None:
    await guest.run("mark = 1")
    hoard = "hoard = []\nwhile True: hoard.append(bytearray(1 << 24))"
    for command in (["python", "-c", hoard], f'python -c "{hoard}"; exit $?'):
        execution = await run(guest, command)
        assert (execution.outcome, execution.exit_code, execution.state_kept) == ("out_of_memory", 137, True)
        assert execution.error is not None
        assert execution.error.value == f"the session used up its {SMALL.memory_bytes // MIB} MiB of memory"
    assert (await run(guest, "kill -9 $$")).outcome == "crashed"
    # Nor is what the command died of laid at the interpreter's door.
    assert (await guest.run("mark")).text == "1"
    assert (await guest.run("import os; os.kill(os.getpid(), 9)")).outcome == "crashed"


async def test_floods_on_both_streams_are_stopped_by_the_time_out(guest: Guest) -> None:
    execution = await run(guest, "yes & yes >&2 & setsid yes & wait", timeout_s=1)
    assert (execution.outcome, execution.truncated.stdout, execution.truncated.stderr) == ("timeout", True, True)
    await until_alone(guest)


@pytest.mark.timeout(120)
async def test_every_way_to_end_leaves_nothing(engine: Engine) -> None:
    await engine.run(None, "1")
    before = Footprint.take()
    session = await engine.create_session()
    guest = Guest(engine, session)
    await run(guest, "true")
    commands = ["true", "exit 1", "kill -9 $$", "sleep 1000", "yes", "sleep 1000 & setsid sleep 1000 &", "nonesuch"]
    held = len(os.listdir("/proc/self/fd"))
    async with anyio.create_task_group() as tasks:
        for command in commands * 2:
            tasks.start_soon(lambda command: run(guest, command, timeout_s=0.5), command)
    assert len(os.listdir("/proc/self/fd")) == held
    for step in range(30):
        with anyio.move_on_after(step * 0.0005):
            await run(guest, "sleep 1000 & sleep 1000")
    await eventually(lambda: engine.load["executions"] == 0)
    assert len(os.listdir("/proc/self/fd")) == held
    assert (await guest.run("import os; os._exit(1)")).outcome == "crashed"
    await until_alone(guest)
    await engine.end_session(session)
    await before.assert_nothing_left()
