from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import clean_environment, serving
from tests.docs.blocks import ROOT


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files that the documentation speaks of."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a reader's shell has: insitu on its path, and a server that listens where insitu looks for one."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    # Importing pandas ahead would only make the tests slower.
    variables = {**clean_environment(folder), "INSITU_URL": url, "INSITU_PREIMPORT": "", "PATH": path}
    for name in [name for name in os.environ if name.startswith("INSITU_")]:
        monkeypatch.delenv(name)
    for name in ("INSITU_URL", "INSITU_PREIMPORT", "PATH"):
        monkeypatch.setenv(name, variables[name])
    return variables
