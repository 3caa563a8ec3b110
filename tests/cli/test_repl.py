from __future__ import annotations

import pytest

from insitu import Client
from tests.cli.commands import Commands, Ended

LINES = """
x = 20
for i in range(2):
    print(i)
x + 1

def double(n):
    return 2 * n
double(x)
!echo shell
1/0
import os; os._exit(3)
x
quit
print('never')
"""


def test_lines_of_a_pipe_run_one_by_one(insitu: Commands) -> None:
    ended = insitu("repl", stdin=LINES)
    assert (ended.exit_code, ended.out) == (1, "0\n1\n21\n40\nshell\n")
    errors = [line for line in ended.err.splitlines() if not line.startswith((" ", "Traceback"))]
    assert errors == [
        "ZeroDivisionError: division by zero",
        "error: the interpreter ended itself with exit code 3",
        "the variables are gone; the files are still there",
        "NameError: name 'x' is not defined",
    ]


@pytest.mark.parametrize("leave", ["import sys; sys.exit(3)", "raise SystemExit(3)"])
def test_sys_exit_leaves_with_its_exit_code(remote: Commands, leave: str) -> None:
    assert remote("repl", stdin=f"print(1)\n{leave}\nprint(2)") == Ended(3, "1\n", "")


def test_what_is_not_finished_runs_at_the_end(remote: Commands) -> None:
    assert remote("repl", stdin="if True:\n    print(1)") == Ended(0, "1\n", "")


def test_files_and_variables_are_there(remote: Commands) -> None:
    (remote.folder / "in.txt").write_text("text", "utf-8")
    ended = remote("repl", "-f", "in.txt:a/b", "--env", "A=1", stdin="import os\nopen('a/b').read() + os.environ['A']")
    assert ended == Ended(0, "'text1'\n", "")


def test_a_session_is_gone_on_with(remote: Commands, client: Client, session: str) -> None:
    assert remote("repl", "--session", session[:12], stdin="x = 3").exit_code == 0
    assert remote("repl", "--session", session[:12], stdin="x") == Ended(0, "3\n", "")
    assert session in [info.id for info in client.sessions()]


def test_at_a_terminal(insitu: Commands) -> None:
    with insitu.terminal("repl") as terminal:
        assert terminal.until(">>> ").endswith("; Ctrl-D leaves\n>>> ")
        terminal.type("x = 41\n")
        terminal.until(">>> ")
        terminal.type("while x:\n")
        terminal.until("... ")
        assert terminal.interrupt_prompt(">>> ").endswith("\nKeyboardInterrupt\n>>> ")
        terminal.type("print('u' + 'p', flush=True); import time; time.sleep(600)\n")
        terminal.until("\nup\n")
        terminal.type("\x03")
        assert terminal.until(">>> ").endswith("KeyboardInterrupt\n>>> ")
        terminal.type("x + 1\n")
        assert terminal.until(">>> ").endswith("\n42\n>>> ")
        terminal.type("\x04")
        assert terminal.end().exit_code == 0
    history = insitu.folder / ".local/state/insitu/history"
    assert "x + 1" in history.read_text("utf-8").splitlines()
