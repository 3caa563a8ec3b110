"""The integrations are there on every operating system, as the client is."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Modules of the standard library that Windows does not have.
NOT_THERE = ("fcntl", "grp", "pwd", "resource", "termios")
HEAVY = ("insitu.engine", "insitu.settings", "insitu.turn")


@pytest.mark.parametrize("name", ["langchain", "deepagents"])
def test_an_integration_is_imported_without_linux(name: str) -> None:
    code = (
        f"import sys\nfor name in {NOT_THERE}: sys.modules[name] = None\n"
        f"import insitu.integrations.{name}\nprint([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
