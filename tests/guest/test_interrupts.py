from __future__ import annotations

from typing import Any

import pytest

READY = "display('ready')\n"


def interrupt(notebook: Any, code: str, *, times: int = 1) -> Any:
    """Send code that shows a bundle when it is under way, and interrupt it then."""
    notebook.send(code)
    for _ in range(times):
        notebook.receive()
        notebook.interrupt()
    return notebook.finish()


@pytest.mark.parametrize(
    "code",
    [
        READY + "while True: pass",
        READY + "import time; time.sleep(60)",
        READY + "import threading; threading.Event().wait()",
        ("import time\nclass Slow:\n    def __repr__(self):\n        display('ready')\n        time.sleep(60)\nSlow()"),
        (
            "import time\nclass Slow(Exception):\n    def __str__(self):\n        display('ready')\n"
            "        time.sleep(60)\n"
            "raise Slow"
        ),
    ],
)
def test_an_interrupt_ends_the_cell_and_keeps_the_state(notebook: Any, code: str) -> None:
    ran = interrupt(notebook, "kept = 1\n" + code)
    assert ran.error.name in ("KeyboardInterrupt", "Slow")
    assert notebook.run("kept").text == "1"


def test_the_traceback_of_an_interrupt_ends_in_the_users_line(notebook: Any) -> None:
    notebook.run(
        "import threading, time\nlooping = False\ndef tell():\n"
        "    while not looping: time.sleep(0.001)\n    display('ready')\n"
        "threading.Thread(target=tell).start()"
    )
    ran = interrupt(notebook, "looping = True\nwhile True: pass")
    lines = ran.error.traceback.splitlines()
    assert [line for line in lines if "File" in line] == ['  File "<cell 2>", line 2, in <module>']
    assert lines[-1] == "KeyboardInterrupt"


def test_a_shell_command_dies_with_its_cell(notebook: Any) -> None:
    notebook.run(
        "import os, tempfile, threading, time\nos.chdir(tempfile.mkdtemp())\n"
        "def started():\n    return os.path.exists('pid') and open('pid').read().strip()\n"
        "def tell():\n    while not started(): time.sleep(0.01)\n    display('ready')\n"
        "def alive():\n    try: os.kill(int(started()), 0)\n"
        "    except ProcessLookupError: return False\n    return True"
    )
    ran = interrupt(notebook, "threading.Thread(target=tell).start()\n!sh -c 'echo $$; exec sleep 60' >pid; true")
    assert ran.error.name == "KeyboardInterrupt"
    assert notebook.run("while alive(): time.sleep(0.01)\n'gone'").text == "'gone'"


@pytest.mark.parametrize("wait", ["time.sleep(5)", "await asyncio.sleep(5)", "threading.Event().wait(5)"])
def test_a_signal_that_ends_no_system_call_is_not_lost(notebook: Any, wait: str) -> None:
    # To another thread it comes as one does that comes a moment before the system call: it is noted, and ends nothing.
    notebook.run(
        "import asyncio, signal, threading, time\ndef miss():\n    while not waiting(): pass\n"
        "    signal.pthread_kill(threading.get_ident(), signal.SIGINT)\n    display('ready')\n"
        "def waiting():\n    time.sleep(0.01)\n"
        "    return open('/proc/self/stat').read().rpartition(')')[2].split()[0] == 'S'"
    )
    notebook.send(
        "began = time.monotonic()\ntry:\n    threading.Thread(target=miss).start()\n"
        f"    {wait}\nfinally:\n    print(time.monotonic() - began < 5)"
    )
    notebook.receive()
    notebook.insist()
    ran = notebook.finish()
    assert (ran.error.name, ran.stdout) == ("KeyboardInterrupt", "True\n")


def test_an_interrupt_that_a_finalizer_drops_comes_again_after_it(notebook: Any) -> None:
    ran = interrupt(
        notebook,
        "import time\nclass Slow:\n    def __del__(self):\n        display('ready')\n        time.sleep(60)\n"
        "slow = Slow()\ndel slow\ntime.sleep(5)",
    )
    assert (ran.error.name, ran.stderr) == ("KeyboardInterrupt", "")


def test_what_else_a_finalizer_raises_is_shown(notebook: Any) -> None:
    ran = notebook.run(
        "class Broken:\n    def __del__(self): raise KeyboardInterrupt('its own')\nbroken = Broken()\ndel broken"
    )
    assert ran.error is None
    assert "KeyboardInterrupt: its own" in ran.stderr


def test_one_interrupt_meets_the_code_once(notebook: Any) -> None:
    ran = interrupt(
        notebook,
        "import signal, time\ntry:\n    display('ready')\n    time.sleep(60)\n"
        "finally:\n    signal.pause()\n    signal.pause()\n    print('cleaned up')",
    )
    assert (ran.error.name, ran.stdout) == ("KeyboardInterrupt", "cleaned up\n")


def test_an_interrupt_while_awaiting_lets_the_code_clean_up(notebook: Any) -> None:
    ran = interrupt(
        notebook,
        "import asyncio\nasync def work():\n    try:\n"
        "        asyncio.get_running_loop().call_soon(display, 'ready')\n        await asyncio.sleep(60)\n"
        "    finally:\n        await asyncio.sleep(0)\n        print('cleaned up')\nawait work()",
    )
    assert ran.error.name == "KeyboardInterrupt"
    assert ran.stdout == "cleaned up\n"
    assert ", in work\n    await asyncio.sleep(60)\n" in ran.error.traceback
    assert "CancelledError" not in ran.error.traceback
    assert "run_until_complete" not in ran.error.traceback
    assert notebook.run("await asyncio.sleep(0, 3)").text == "3"


def test_an_interrupt_of_computing_between_awaits(notebook: Any) -> None:
    ran = interrupt(notebook, f"import asyncio\nawait asyncio.sleep(0)\n{READY}while True: pass")
    assert ran.error.name == "KeyboardInterrupt"
    assert notebook.run("await asyncio.sleep(0, 3)").text == "3"


def test_awaiting_code_that_will_not_be_cancelled_gets_a_second_interrupt(notebook: Any) -> None:
    ran = interrupt(
        notebook,
        "import asyncio\nfor _ in range(2):\n    _ = asyncio.get_running_loop().call_soon(display, 'ready')\n"
        "    try: await asyncio.sleep(60)\n    except asyncio.CancelledError: pass",
        times=2,
    )
    assert ran.error.name == "KeyboardInterrupt"
    assert notebook.run("1").text == "1"


def test_between_cells_an_interrupt_does_nothing(notebook: Any) -> None:
    for number in range(200):
        notebook.send(str(number))
        notebook.interrupt()
        ran = notebook.finish()
        notebook.interrupt()
        # The signal may have met the cell; it must have met nothing else.
        assert (ran.error and ran.error.name) in (None, "KeyboardInterrupt")
    assert notebook.run("import os; os.getpid()").text == str(notebook.pid)


def test_code_that_catches_the_interrupt_goes_on(notebook: Any) -> None:
    ran = interrupt(
        notebook,
        "try:\n    display('ready')\n    import time; time.sleep(60)\nexcept KeyboardInterrupt: x = 'caught'\nx",
    )
    assert ran.text == "'caught'"


def test_a_handler_of_the_codes_own_lasts_one_cell(notebook: Any) -> None:
    notebook.run("import signal\n_ = signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert interrupt(notebook, READY + "while True: pass").error.name == "KeyboardInterrupt"


def test_an_alarm_left_running_does_not_fire_after_its_cell(notebook: Any) -> None:
    notebook.run("import signal\n_ = signal.setitimer(signal.ITIMER_REAL, 60)")
    assert notebook.run("signal.getitimer(signal.ITIMER_REAL)").text == "(0.0, 0.0)"


def test_a_result_is_sent_whole_before_the_interrupt(notebook: Any) -> None:
    for _ in range(20):
        notebook.send("while True: display('x' * 50_000)")
        notebook.receive()
        notebook.interrupt()
        assert notebook.finish().error.name == "KeyboardInterrupt"
