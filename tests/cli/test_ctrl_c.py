"""Ctrl-C at a terminal, where it reaches every process of the foreground."""

from __future__ import annotations

import pytest

from insitu import Client
from tests.cli.commands import Commands

SLEEP = "print('u' + 'p', flush=True); import time; time.sleep(600)"
DEAF = """
import time
while True:
    try:
        print('u' + 'p', flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print('go' + 'on', flush=True)
"""


@pytest.fixture(params=["in this process", "on a server"])
def either(request: pytest.FixtureRequest, insitu: Commands, remote: Commands) -> Commands:
    return insitu if request.param == "in this process" else remote


def test_it_interrupts_the_code(either: Commands) -> None:
    with either.terminal("run", SLEEP) as terminal:
        assert terminal.until("up\n") == "up\n"
        terminal.type("\x03")
        ended = terminal.end()
    assert ended.exit_code == 130
    assert ended.out.endswith("KeyboardInterrupt\n")


def test_a_second_one_does_not_wait_for_code_that_does_not_listen(either: Commands) -> None:
    with either.terminal("run", DEAF) as terminal:
        terminal.until("up\n")
        terminal.type("\x03")
        terminal.until("goon\n")
        terminal.type("\x03")
        assert terminal.end().exit_code == 130


def test_code_that_catches_it_is_not_the_worse_for_it(insitu: Commands) -> None:
    code = f"try: {SLEEP}\nexcept KeyboardInterrupt: print('caught')"
    with insitu.terminal("run", code) as terminal:
        terminal.until("up\n")
        terminal.type("\x03")
        ended = terminal.end()
    assert (ended.exit_code, ended.out.startswith("^Ccaught\n")) == (130, True)


def test_the_state_of_a_session_is_kept(remote: Commands, session: str) -> None:
    with remote.terminal("run", f"x = 42; {SLEEP}", "--session", session) as terminal:
        terminal.until("up\n")
        terminal.type("\x03")
        assert terminal.end().exit_code == 130
    assert remote("run", "x", "--session", session).out == "42\n"


def test_another_command_interrupts_a_session(remote: Commands, client: Client, session: str) -> None:
    with remote.started("run", SLEEP, "--session", session) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        assert remote("interrupt", session).err == "interrupted\n"
        assert process.wait() == 130
    nothing = remote("interrupt", session)
    assert (nothing.exit_code, nothing.err) == (1, "nothing runs in this session\n")
