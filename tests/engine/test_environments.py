"""Environments: other Pythons, other packages, and Pythons that cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from insitu.engine import Engine
from insitu.errors import InvalidRequest
from insitu.settings import Settings
from tests.support.footprint import Footprint
from tests.support.guest import SMALL, Guest


def other_pythons() -> dict[str, Path]:
    """Pythons of this machine but the one that runs the tests, one of each version from 3.9 on."""
    patterns = ("/usr/bin/python3.*", "/usr/local/bin/python3.*", "/root/.pyenv/versions/*/bin/python3.*")
    found: dict[str, Path] = {}
    for pattern in patterns:
        for path in sorted(Path("/").glob(pattern[1:])):
            version = re.fullmatch(r"python3\.(\d+)", path.name)
            if version and int(version[1]) >= 9 and path.resolve() != Path(sys.executable).resolve():
                found.setdefault(f"3.{version[1]}", path)
    return found


def with_environments(environments: dict[str, Path]) -> Settings:
    return SMALL.model_copy(update={"environments": environments})


async def test_the_default_environment_is_this_python() -> None:
    async with Engine(SMALL) as engine:
        (about,) = engine.environments()
        version = ".".join(map(str, sys.version_info[:3]))
        assert (about.name, about.python, about.version, about.preimported) == ("default", sys.executable, version, ())
        assert (await engine.run(None, "import sys; sys.prefix")).text == repr(sys.prefix)


async def test_modules_are_there_ahead_and_missing_ones_are_passed_over() -> None:
    async with Engine(SMALL.model_copy(update={"preimport": ("colorsys", "no_such_module", "json")})) as engine:
        assert engine.environments()[0].preimported == ("colorsys", "json")
        assert (await engine.run(None, "import sys; 'colorsys' in sys.modules")).text == "True"


async def test_a_virtual_environment_has_its_own_packages(tmp_path: Path) -> None:
    # It lies below /tmp, which every sandbox covers with its own.
    venv.create(tmp_path / "bare", symlinks=True)
    package = next((tmp_path / "bare/lib").glob("python*/site-packages")) / "only_here.py"
    package.write_text("answer = 42", encoding="utf-8")
    async with Engine(with_environments({"bare": tmp_path / "bare/bin/python"})) as engine:
        bare = Guest(engine, await engine.create_session(environment="bare"))
        assert await bare.ask("import only_here; answer = only_here.answer") == 42
        assert (await bare.run("import numpy")).error is not None
        assert await bare.ask(f"answer = refused(open, {str(package)!r}, 'w')") == "EROFS"
        assert await bare.ask(f"answer = os.listdir({str(tmp_path)!r})") == ["bare"]
        execution = await engine.run(None, "import only_here")
        assert execution.error is not None
        assert execution.error.name == "ModuleNotFoundError"


@pytest.mark.skipif(not other_pythons(), reason="this machine has one Python")
async def test_other_versions_of_python_run_the_same_code() -> None:
    before = Footprint.take()
    pythons = other_pythons()
    async with Engine(with_environments(pythons)) as engine:
        assert [about.name for about in engine.environments()] == ["default", *pythons]
        for name in pythons:
            guest = Guest(engine, await engine.create_session(environment=name))
            assert await guest.ask("answer = '%d.%d' % sys.version_info[:2]") == name
            assert (await guest.run("x = 20\nx + 1")).text == "21"
            assert (await guest.run("import asyncio; await asyncio.sleep(0, 'slept')")).text == "'slept'"
            assert (await guest.run("1 / 0")).outcome == "error"
            assert (await guest.run("while True: pass", timeout_s=0.2)).state_kept is True
            assert (await guest.run("import os; os._exit(1)")).outcome == "crashed"
            assert (await guest.run("open('a', 'w').write('a')")).files[0].path == "a"
            assert (await guest.run("!echo hi")).stdout == "hi\n"
    await before.assert_nothing_left()


async def test_a_python_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"the environment 'default' has no working Python at /nowhere/python: "):
        async with Engine(SMALL.model_copy(update={"python": Path("/nowhere/python")})):
            raise AssertionError("there is no such Python")


async def test_what_is_no_python_is_named(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(InvalidRequest, match="has no working Python"):
        async with Engine(with_environments({"odd": program})):
            raise AssertionError("that is no Python")


async def test_a_python_that_is_too_old_is_refused() -> None:
    old = Path("/root/.pyenv/versions/3.8.18/bin/python3.8")
    if not _runs(old):
        pytest.skip("this machine has no Python 3.8")
    with pytest.raises(InvalidRequest, match=r"the environment 'old' has Python 3\.8\.\d+; insitu needs 3\.9 or later"):
        async with Engine(with_environments({"old": old})):
            raise AssertionError("it is too old")


def _runs(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], check=False).returncode == 0
    except OSError:
        return False


async def test_packages_that_start_threads_are_refused_at_the_start(tmp_path: Path) -> None:
    venv.create(tmp_path / "busy", symlinks=True)
    packages = next((tmp_path / "busy/lib").glob("python*/site-packages"))
    (packages / "busy.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[99], daemon=True).start()"
    )
    update = {"python": tmp_path / "busy/bin/python", "preimport": ("busy",)}
    with pytest.raises(InvalidRequest, match="importing busy started threads"):
        async with Engine(SMALL.model_copy(update=update)):
            raise AssertionError("a fork would lose the thread")
