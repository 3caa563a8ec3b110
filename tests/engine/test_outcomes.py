"""How an execution can end, and that its session outlives every end."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from insitu.engine import Engine
from tests.support.guest import Guest
from tests.support.processes import await_ends
from tests.support.waiting import eventually

# Code; outcome, exit code, whether the state is kept, and the error's name and value.
ENDS: dict[str, tuple[str, str, int, bool, str | None]] = {
    "nothing": ("", "ok", 0, True, None),
    "a value": ("6 * 7", "ok", 0, True, None),
    "an error": ("1 / 0", "error", 1, True, "ZeroDivisionError: division by zero"),
    "a syntax error": ("1 +", "error", 1, True, "SyntaxError"),
    "no such name": ("nonsense", "error", 1, True, "NameError: name 'nonsense' is not defined"),
    "exit with a number": ("import sys; sys.exit(7)", "error", 7, True, "SystemExit: 7"),
    "exit with a large number": ("raise SystemExit(300)", "error", 44, True, "SystemExit: 300"),
    "exit with a message": ("raise SystemExit('bye')", "error", 1, True, "SystemExit: bye"),
    "a keyboard interrupt": ("raise KeyboardInterrupt", "error", 1, True, "KeyboardInterrupt"),
    "an error without a name": ("raise type('', (Exception,), {})('x')", "error", 1, True, ""),
    "an error that cannot be shown": (
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
        *("error", 1, True, "E"),
    ),
    "recursion": ("def f(): f()\nf()", "error", 1, True, "RecursionError"),
    "memory beyond all bounds": ("bytearray(1 << 50)", "error", 1, True, "MemoryError"),
    "input": ("input()", "error", 1, True, "StdinNotAvailable"),
    "the process ends itself": (
        "import os; os._exit(3)",
        *("crashed", 3, False, "Crashed: the interpreter ended itself with exit code 3"),
    ),
    "the process ends itself well": (
        "import os; os._exit(0)",
        *("crashed", 1, False, "Crashed: the interpreter ended itself with exit code 0"),
    ),
    "a segmentation fault": (
        "import ctypes; ctypes.string_at(0)",
        *("crashed", 139, False, "Crashed: the interpreter was killed by SIGSEGV"),
    ),
    "an abort": ("import os; os.abort()", "crashed", 134, False, "Crashed: the interpreter was killed by SIGABRT"),
    "killing itself": (
        "import os; os.kill(os.getpid(), 9)",
        *("crashed", 137, False, "Crashed: the interpreter was killed by SIGKILL"),
    ),
    "terminating itself": (
        "import os; os.kill(os.getpid(), 15)",
        *("crashed", 143, False, "Crashed: the interpreter was killed by SIGTERM"),
    ),
    "a system call of another architecture": (
        "import ctypes; ctypes.CDLL(None).syscall(0x40000027)",
        *("crashed", 159, False, "Crashed: the interpreter was killed by SIGSYS"),
    ),
}


@pytest.mark.parametrize("end", ENDS)
async def test_an_execution_ends(guest: Guest, end: str) -> None:
    code, outcome, exit_code, state_kept, error = ENDS[end]
    await guest.run("mark = 1; open('kept', 'w').write('x')")
    execution = await guest.run(code)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == (outcome, exit_code, state_kept)
    said = f"{execution.error.name}: {execution.error.value}" if execution.error else None
    assert said == error if error is None else (said or "").startswith(error), said
    after = await guest.ask("answer = ['mark' in globals(), open('kept').read(), 1 + 1]")
    assert after == [state_kept, "x", 2]


@pytest.mark.parametrize(
    ("code", "state_kept"),
    [
        ("import time; time.sleep(1000)", True),
        ("while True: pass", True),
        ("import subprocess; subprocess.run(['sleep', '1000'])", True),
        ("!sleep 1000", True),
        ("import asyncio; await asyncio.sleep(1000)", True),
        ("import time\nwhile True:\n    try: time.sleep(1000)\n    except BaseException: pass", False),
        ("import collections, itertools; collections.deque(itertools.repeat(0), maxlen=0)", False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", False),
        ("import signal; signal.pthread_sigmask(0, {signal.SIGINT}); signal.sigwait({signal.SIGUSR1})", False),
        ("import os; os.read(4, 1)", True),
    ],
)
async def test_time_is_limited(guest: Guest, code: str, state_kept: bool) -> None:
    await guest.run("mark = 1; open('kept', 'w').write('x')")
    execution = await guest.run(code, timeout_s=0.5)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("timeout", 124, state_kept)
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("Timeout", "the code ran longer than its 0.5 s")
    assert await guest.ask("answer = ['mark' in globals(), open('kept').read()]") == [state_kept, "x"]


async def test_what_was_written_before_the_end_is_there(guest: Guest) -> None:
    execution = await guest.run("print('out'); import os, sys; print('err', file=sys.stderr); os.write(1, b'raw'); 1/0")
    assert (execution.stdout, execution.stderr) == ("out\nraw", "err\n")
    execution = await guest.run("print('out'); os.abort()")
    assert execution.stdout == "out\n"
    execution = await guest.run("print('out', end='', flush=True)\nwhile True: pass", timeout_s=0.5)
    assert execution.stdout == "out"


@pytest.mark.usefixtures("cgroups")
async def test_memory_that_runs_out_is_told_from_a_kill(guest: Guest) -> None:
    hoard = "hoard = []\nwhile True: hoard.append(bytearray(1 << 24))"
    execution = await guest.run(hoard)
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("out_of_memory", 137, False)
    execution = await guest.run("import os; os.kill(os.getpid(), 9)")
    assert (execution.outcome, execution.exit_code) == ("crashed", 137)


@pytest.mark.parametrize("end", ["import os; os._exit(1)", "import os; os.abort()", "while True: pass"])
async def test_what_a_killed_interpreter_has_started_dies_with_it(guest: Guest, end: str) -> None:
    start = """
        import signal, subprocess
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for _ in range(3): subprocess.Popen(["sleep", "1000"], start_new_session=True)
    """
    await guest.run(start)
    assert (await guest.run(f"signal.signal(signal.SIGINT, signal.SIG_IGN)\n{end}", timeout_s=0.5)).state_kept is False
    # Killed at once, they are gone a moment later.
    await guest.ask("""
        mine = ["1", str(os.getpid())]
        while sorted(p for p in os.listdir("/proc") if p.isdigit()) != sorted(mine): pass
        answer = None
    """)


async def test_what_an_execution_has_started_goes_on(guest: Guest) -> None:
    await guest.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    assert await guest.ask("answer = child.poll()") is None


async def test_a_fork_that_falls_out_of_its_cell_does_not_answer(guest: Guest) -> None:
    execution = await guest.run("import os; pid = os.fork(); print('x')")
    assert execution.outcome == "ok"
    for number in range(5):
        # What the child prints may come as late as that; what it computes never does.
        result = (await guest.run(f"{number} + 1")).result
        assert result is not None
        assert result.text == str(number + 1)


async def test_a_program_in_the_interpreters_place_is_a_crash(guest: Guest) -> None:
    execution = await guest.run("import os; os.execv('/usr/bin/true', ['true'])")
    assert (execution.outcome, execution.state_kept) == ("crashed", False)
    assert await guest.ask("answer = 1") == 1


async def test_an_interpreter_that_dies_between_executions_is_replaced(guest: Guest) -> None:
    await guest.run("mark = 1")
    pid = await guest.host_pid()
    os.kill(pid, signal.SIGKILL)
    await_ends([pid])
    execution = await guest.run("'mark' in globals()")
    assert (execution.outcome, execution.text, execution.state_kept) == ("ok", "False", False)
    assert (await guest.run("1")).state_kept is True


async def test_an_execution_of_its_own_leaves_no_session(engine: Engine) -> None:
    execution = await engine.run(None, "open('a', 'w').write('x'); 1")
    assert (execution.session_id, execution.outcome, execution.text) == (None, "ok", "1")
    assert engine.sessions() == []
    await eventually(lambda: engine.load["sandboxes"] == 0)


@pytest.mark.parametrize("code", ["raise SystemExit", "import sys; sys.exit(0)", "exit()"])
async def test_an_exit_with_success_is_no_error(engine: Engine, code: str) -> None:
    execution = await engine.run(None, code)
    assert (execution.outcome, execution.exit_code, execution.error) == ("ok", 0, None)


@pytest.mark.skipif(sys.prefix.startswith("/tmp/"), reason="a sandbox has a /tmp of its own, and no environment there")
async def test_a_program_that_code_starts_can_plot(engine: Engine) -> None:
    plot = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.savefig('plot.png')"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {plot!r}], check=True)\nplt = None"
    execution = await engine.run(None, code)
    assert execution.error is None
    assert [file.path for file in execution.files] == ["plot.png"]


async def test_code_imports_the_modules_that_it_has_written(engine: Engine) -> None:
    session = await engine.create_session()
    await engine.run(session, "open('helper.py', 'w').write('def double(x): return 2 * x')")
    execution = await engine.run(session, "import helper; helper.double(21)")
    assert (execution.text, execution.files) == ("42", ())
    await engine.end_session(session)


async def test_json_can_be_replaced(engine: Engine) -> None:
    execution = await engine.run(None, "import json\njson.dumps = json.loads = None\ndisplay(1)\n2")
    assert (execution.outcome, [result.text for result in execution.results]) == ("ok", ["1", "2"])
