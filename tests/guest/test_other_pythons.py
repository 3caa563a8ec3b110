"""The guest on the other Pythons that this machine has, each without any package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pythons import find_python

from .conftest import Notebook, cell_server

MINORS = [minor for minor in range(9, 15) if minor != sys.version_info.minor]


@pytest.fixture(scope="module", params=MINORS, ids=lambda minor: f"3.{minor}")
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"there is no Python 3.{request.param} here")
    with cell_server(tmp_path_factory.mktemp("other"), python) as path:
        yield path


@pytest.fixture
def old(other: Path) -> Iterator[Notebook]:
    notebook = Notebook(other)
    yield notebook
    notebook.close()


def test_cells_run(old: Any) -> None:
    assert old.run("x = 20\nx + 1").text == "21"
    assert old.run("import asyncio\nawait asyncio.sleep(0, _)").text == "21"
    assert old.run("display(1); !echo hi\n").error.name == "SyntaxError"
    ran = old.run("display(1)\n!echo hi")
    assert (ran.shown, ran.stdout) == ([{"text/plain": "1"}], "hi\n")
    assert old.run("import sys; sys.exit(3)").error.exit_code == 3
    assert old.run("input()").error.name == "StdinNotAvailable"


def test_tracebacks_show_the_users_frames(old: Any) -> None:
    old.run("async def fail():\n    raise ValueError('v') from KeyError('k')")
    ran = old.run("await fail()")
    lines = ran.error.traceback.splitlines()
    assert [line.strip() for line in lines if line.startswith("  File")] == [
        'File "<cell 2>", line 1, in <module>',
        'File "<cell 1>", line 2, in fail',
    ]
    assert (lines[0], lines[-1]) == ("KeyError: 'k'", "ValueError: v")


def test_interrupts_end_the_cell(old: Any) -> None:
    old.send("display('ready')\nwhile True: pass")
    old.receive()
    old.interrupt()
    assert old.finish().error.name == "KeyboardInterrupt"
    old.send("import asyncio\nasyncio.get_running_loop().call_soon(display, 'ready')\nawait asyncio.sleep(60)")
    old.receive()
    old.interrupt()
    ran = old.finish()
    assert ran.error.name == "KeyboardInterrupt"
    assert '"<cell 2>", line 3, in <module>' in ran.error.traceback


def test_a_child_that_falls_out_of_the_cell_ends(old: Any) -> None:
    ran = old.run("import os\npid = os.fork()\nif not pid: 1 / 0\nos.WEXITSTATUS(os.waitpid(pid, 0)[1])")
    assert ran.text == "1"
