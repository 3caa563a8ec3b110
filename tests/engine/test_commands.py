"""Shell commands as executions: beside the interpreter, with the same handle."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import InvalidRequest, OverCeiling, QuotaExceeded, ServerFull, TooLarge
from insitu.types import MIB
from tests.engine.commands import WAIT, run, until_output
from tests.support.guest import SMALL, Guest, chunks
from tests.support.waiting import eventually

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


async def test_what_a_shell_leaves_to_others_to_write_is_read(guest: Guest) -> None:
    execution = await run(guest, "echo {1..1000} > >(tr ' ' '\\n' | tee copy)")
    assert execution.stdout.split() == [str(n) for n in range(1, 1001)]


async def test_a_flood_is_cut_and_read_to_its_end(engine: Engine) -> None:
    session = await engine.create_session(limits=replace(SMALL.limits(), output_bytes=4096))
    size = 300 * MIB
    execution = await run(Guest(engine, session), f"printf 'head\\n'; head -c {size} /dev/zero; printf tail")
    assert (execution.outcome, execution.truncated.stdout, execution.truncated.stderr) == ("ok", True, False)
    assert (execution.stdout[:5], execution.stdout[-4:]) == ("head\n", "tail")
    assert f"[… {size + 9 - 4096} bytes left out …]" in execution.stdout
    await engine.end_session(session)


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
