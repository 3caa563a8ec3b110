"""Shell commands as executions: beside the interpreter, with the same handle, and with no way to hang."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from insitu.engine import Engine, RunningExecution
from insitu.errors import InvalidRequest, OverCeiling, QuotaExceeded, SandboxFailed, ServerFull, TooLarge
from insitu.types import MIB, Execution
from tests.support.footprint import Footprint
from tests.support.guest import SMALL, Guest, chunks, content, eventually

WAIT = "while [ ! -e go ]; do sleep 0.01; done"
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


async def run(guest: Guest, command: str | Sequence[str], **options: Any) -> Execution:
    async with guest.engine.start_command(guest.session, command, **options) as running:
        return await running.result()


async def until_output(running: RunningExecution) -> None:
    async for event in running.events():
        if event.kind == "stdout":
            return


async def processes(guest: Guest) -> int:
    """How many there are in the sandbox besides its agent and its interpreter."""
    code = "answer = sum(p.isdigit() and int(p) not in (1, os.getpid()) for p in os.listdir('/proc'))"
    count: int = await guest.ask(code)
    return count


async def until_alone(guest: Guest) -> None:
    """Wait until the interpreter is alone: what has been killed takes a moment to go."""
    while await processes(guest):  # noqa: ASYNC110 - the guest sets no event
        await anyio.sleep(0.01)


# Command; outcome, exit code, and the error's name and value.
ENDS: dict[str, tuple[str | list[str], str, int, str | None]] = {
    "nothing": ("", "ok", 0, None),
    "success": ("true", "ok", 0, None),
    "an exit code": ("exit 3", "error", 3, "CommandFailed: exit code 3"),
    "an exit code after a message": (
        "echo one >&2; echo two >&2; exit 4",
        *("error", 4, "CommandFailed: exit code 4: two"),
    ),
    "an error of syntax": ("(", "error", 2, "CommandFailed: exit code 2: /bin/bash: -c: line "),
    "no such program": (
        ["nonesuch"],
        *("error", 127, "CommandFailed: exit code 127: nonesuch: [Errno 2] No such file or directory"),
    ),
    "no program": (["/etc/passwd"], "error", 126, "CommandFailed: exit code 126: /etc/passwd: [Errno 13] Permission"),
    "a kill": ("kill -9 $$", "crashed", 137, "Crashed: the command was killed by SIGKILL"),
    "an abort": (
        ["python", "-c", "import os; os.abort()"],
        "crashed",
        134,
        "Crashed: the command was killed by SIGABRT",
    ),
    "a signal without a name of ours": (
        "kill -USR1 $$",
        "crashed",
        138,
        "Crashed: the command was killed by signal 10",
    ),
    "a child's crash": ("python -c 'import os; os.abort()'; exit $?", "error", 134, "CommandFailed: exit code 134: "),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_command_ends(guest: Guest, end: str) -> None:
    command, outcome, exit_code, error = ENDS[end]
    execution = await run(guest, command)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == (outcome, exit_code, True), execution
    said = f"{execution.error.name}: {execution.error.value}" if execution.error else None
    assert said == error if error is None else (said or "").startswith(error), said


async def test_a_command_has_the_handle_and_the_events_of_code(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, "echo out; echo err >&2") as running:
        events = [event async for event in running.events()]
        execution = await running.result()
    assert sorted((event.kind, event.text) for event in events) == [
        ("finished", ""),
        ("started", ""),
        ("stderr", "err\n"),
        ("stdout", "out\n"),
    ]
    assert (events[0].kind, events[0].data) == ("started", {"id": running.id, "session_id": guest.session.id})
    assert events[-1].execution == execution
    assert (execution.id, execution.session_id) == (running.id, guest.session.id)
    assert (execution.stdout, execution.stderr, execution.files) == ("out\n", "err\n", ())
    assert [event async for event in running.events(after=1)] == events[1:]


async def test_output_comes_while_the_command_runs(engine: Engine, guest: Guest) -> None:
    async with engine.start_command(guest.session, f"echo first; {WAIT}; echo second") as running:
        events = running.events()
        assert [(await anext(events)).kind, (await anext(events)).text] == ["started", "first\n"]
        assert not running.done
        assert guest.session.info().state == "busy"
        await guest.session.files.write("go", chunks())
        assert [event.kind async for event in events] == ["stdout", "finished"]
    assert guest.session.info().executions == 1


async def test_time_and_usage_are_told(guest: Guest) -> None:
    execution = await run(guest, "for n in {1..20000}; do :; done")
    timings = execution.timings
    assert execution.usage.cpu_s > 0
    assert execution.usage.peak_memory_bytes is None
    assert timings.total_ms == pytest.approx(timings.queued_ms + timings.run_ms, abs=0.01)
    assert timings.run_ms >= execution.usage.cpu_s


async def test_arguments_are_not_read_by_a_shell(guest: Guest) -> None:
    execution = await run(guest, ["printf", "%s|", "$HOME", "a b", "", "ü"])
    assert execution.stdout == "$HOME|a b||ü|"


@pytest.mark.skipif(sys.prefix.startswith("/tmp/"), reason="a sandbox has a /tmp of its own, and no environment there")
async def test_a_command_finds_what_code_finds(guest: Guest) -> None:
    await guest.run("open('a', 'w').write('x')")
    look = "[dict(os.environ), os.getcwd(), sys.prefix, os.listdir()]"
    variables, *places = await guest.ask(f"answer = {look}")
    execution = await run(guest, ["python", "-c", f"import json, os, sys; print(json.dumps({look}))"])
    found, *same = json.loads(execution.stdout)
    assert same == places
    # What the zygote needs for itself is not for programs.
    assert found == {name: value for name, value in variables.items() if name in found}
    assert {"HOME", "PATH", "TMPDIR", "LANG", "OMP_NUM_THREADS"} <= set(found)


async def test_variables_of_the_session_and_of_one_command(engine: Engine) -> None:
    session = await engine.create_session(env_vars={"A": "session", "B": "session", "HOME": "/tmp"})
    guest = Guest(engine, session)
    execution = await run(guest, "echo $A $B $C $HOME", env_vars={"B": "one", "C": "ü=\n2"})
    assert execution.stdout == "session one ü= 2 /tmp\n"
    assert (await run(guest, "echo $A $B $C")).stdout == "session session\n"
    await engine.end_session(session)


async def test_a_command_starts_in_a_folder(guest: Guest) -> None:
    assert (await run(guest, "pwd")).stdout == "/mnt/data\n"
    assert (await run(guest, "mkdir -p a/b; pwd; echo $PWD", cwd="/tmp")).stdout == "/tmp\n/tmp\n"
    await run(guest, "mkdir -p a/b")
    assert (await run(guest, "pwd", cwd="a/b")).stdout == "/mnt/data/a/b\n"
    execution = await run(guest, "pwd", cwd="nope")
    assert (execution.outcome, execution.exit_code) == ("error", 127)
    assert execution.stderr == "/bin/bash: [Errno 2] No such file or directory: 'nope'\n"


async def test_programs_are_ended_by_a_pipe_that_nobody_reads(guest: Guest) -> None:
    execution = await run(guest, "yes | head -1; echo ${PIPESTATUS[@]}")
    assert (execution.stdout, execution.stderr) == ("y\n141 0\n", "")


async def test_a_command_reads_nothing(guest: Guest) -> None:
    assert (await run(guest, "cat; read line; echo $?")).stdout == "1\n"


async def test_commands_run_beside_the_interpreter_and_beside_each_other(engine: Engine, guest: Guest) -> None:
    number = 10
    meet = f"touch here-$0; while [ $(ls here-* | wc -l) -lt {number} ]; do sleep 0.01; done; echo $0"
    wait = "import os, time\nwhile not os.path.exists('met'): time.sleep(0.01)"
    said: set[str] = set()

    async def one(index: int) -> None:
        execution = await run(guest, ["bash", "-c", meet, str(index)])
        assert (execution.outcome, execution.stderr) == ("ok", "")
        said.add(execution.stdout)

    async with engine.start(guest.session, wait) as running:
        async with anyio.create_task_group() as tasks:
            for index in range(number):
                tasks.start_soon(one, index)
        assert said == {f"{index}\n" for index in range(number)}
        await guest.session.files.write("met", chunks())
        assert (await running.result()).outcome == "ok"


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
    execution = await run(guest, "echo out; echo err >&2; printf rest; sleep 1000", timeout_s=0.3)
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


async def test_what_a_shell_leaves_to_others_to_write_is_read(guest: Guest) -> None:
    execution = await run(guest, "echo {1..1000} > >(tr ' ' '\\n' | tee copy)")
    assert execution.stdout.split() == [str(n) for n in range(1, 1001)]


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


async def test_a_flood_is_cut_and_read_to_its_end(engine: Engine) -> None:
    session = await engine.create_session(limits=replace(SMALL.limits(), output_bytes=4096))
    size = 300 * MIB
    execution = await run(Guest(engine, session), f"printf 'head\\n'; head -c {size} /dev/zero; printf tail")
    assert (execution.outcome, execution.truncated.stdout, execution.truncated.stderr) == ("ok", True, False)
    assert (execution.stdout[:5], execution.stdout[-4:]) == ("head\n", "tail")
    assert f"[… {size + 9 - 4096} bytes left out …]" in execution.stdout
    await engine.end_session(session)


async def test_floods_on_both_streams_are_stopped_by_the_time_out(guest: Guest) -> None:
    execution = await run(guest, "yes & yes >&2 & setsid yes & wait", timeout_s=0.5)
    assert (execution.outcome, execution.truncated.stdout, execution.truncated.stderr) == ("timeout", True, True)
    await until_alone(guest)


ODD_TEXT = {
    "bytes that are no UTF-8": (r"printf '\xff\xfe!\0x'", "\ufffd\ufffd!\0x"),
    "a character in two pieces": (r"printf '\xc3'; sleep 0.05; printf '\xa9'", "é"),
    "half a character at the end": (r"printf 'a\xc3'", "a\ufffd"),
    "carriage returns": (r"printf '1%%\r2%%\r\n'", "1%\r2%\r\n"),
}


@pytest.mark.parametrize("text", ODD_TEXT)
async def test_odd_text_arrives(engine: Engine, guest: Guest, text: str) -> None:
    command, expected = ODD_TEXT[text]
    async with engine.start_command(guest.session, command) as running:
        streamed = "".join([event.text async for event in running.events() if event.kind == "stdout"])
        assert ((await running.result()).stdout, streamed) == (expected, expected)


async def test_what_cannot_be_a_command_is_refused(engine: Engine, guest: Guest) -> None:
    nothings: list[list[str]] = [[], [""], ["", "x"]]
    for nothing in nothings:
        with pytest.raises(InvalidRequest, match="the command names no program"):
            await run(guest, nothing)
    with pytest.raises(InvalidRequest, match="NUL byte"):
        await run(guest, "echo \0")
    with pytest.raises(InvalidRequest, match="NUL byte"):
        await run(guest, "echo", cwd="a\0b")
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        await run(guest, ["echo", "\ud800"])
    with pytest.raises(InvalidRequest, match="impossible name or value"):
        await run(guest, "echo", env_vars={"A=B": "x"})
    with pytest.raises(OverCeiling):
        await run(guest, "echo", timeout_s=SMALL.max_timeout_s + 1)
    with pytest.raises(InvalidRequest, match="timeout_s"):
        await run(guest, "echo", timeout_s=0)
    with pytest.raises(TooLarge, match="too long: one of them 131072 bytes, and 131071 is the most"):
        await run(guest, "#" + "x" * 131071)
    with pytest.raises(TooLarge, match="too long: all together 262145 bytes, and 262144 is the most"):
        await run(guest, ["true", *["x" * 65535] * 3, "x" * 65531])
    assert engine.load["executions"] == 0


async def test_commands_of_the_largest_size_run(guest: Guest) -> None:
    assert (await run(guest, "#" + "x" * 131070)).outcome == "ok"
    assert (await run(guest, ["true", *["\u0001" * 65535] * 3, "x" * 65530])).outcome == "ok"


async def test_commands_count_as_executions_do() -> None:
    update = {"max_executions": 2, "queue_size": 1, "max_executions_per_owner": 2}
    async with Engine(SMALL.model_copy(update=update)) as engine, contextlib.AsyncExitStack() as stack:
        mine, yours = [Guest(engine, await engine.create_session(owner=owner)) for owner in ("me", "you")]
        sleep = [engine.start_command(guest.session, "echo in; sleep 1000") for guest in (mine, mine, yours)]
        running = [await stack.enter_async_context(one) for one in sleep]
        for one in running[:2]:
            await until_output(one)
        assert not running[2].started
        assert engine.load["executions"] == 3
        with pytest.raises(ServerFull, match="3 executions run or wait, and 3 is the most"):
            await run(yours, "true")
        await running[2].interrupt()
        assert (await running[2].result()).outcome == "cancelled"
        await eventually(lambda: engine.load["executions"] == 2)
        with pytest.raises(QuotaExceeded, match="2 of your executions run or wait"):
            await run(mine, "true")
        await running[0].interrupt()
        assert (await run(yours, "echo ok")).stdout == "ok\n"


@pytest.mark.serial
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
