"""The JavaScript SDK as a client: scripts of `tests/node`, which Node runs and which report what they saw."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest

from tests.support import majors

_FOLDER = Path(__file__).parents[1] / "node"
PACKAGES = (_FOLDER / "older" if majors.OTHERS else _FOLDER) / "node_modules"
_READY = PACKAGES / ".ready"
_REQUIRED = any(os.environ.get(name) for name in ("CI", "INSITU_TESTS_REQUIRE_NODE"))
_LACK = "needs Node 20 or newer and its packages: install Node, then `make node`"
_WAIT_S = 50

needs_node = pytest.mark.skipif(not _REQUIRED and not (_READY.exists() and shutil.which("node")), reason=_LACK)


async def run_script(name: str, **request: Any) -> dict[str, Any]:
    """What ``tests/node/<name>.mjs`` reports of a request: the last line that it prints.

    Args:
        request: `base_url`, `model` and `prompts`, and whatever else the script reads of it.

    Raises:
        AssertionError: with all of its output if it fails, reports nothing or takes 50 seconds.
    """
    assert _READY.exists() and shutil.which("node"), _LACK
    command = ["node", f"{name}.mjs"]
    with anyio.move_on_after(_WAIT_S), _scripts() as folder:
        ended = await anyio.run_process(command, input=json.dumps(request).encode(), check=False, cwd=folder)
        said, complaints = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
        assert ended.returncode == 0 and said.strip(), (
            f"{' '.join(command)} ended with {ended.returncode}\n--- stdout\n{said}\n--- stderr\n{complaints}"
        )
        report: dict[str, Any] = json.loads(said.splitlines()[-1])
        return report
    raise AssertionError(f"{' '.join(command)} took longer than {_WAIT_S} seconds")


@contextmanager
def _scripts() -> Iterator[Path]:
    """Where the scripts are; they find the packages that lie beside them."""
    if not majors.OTHERS:
        yield _FOLDER
        return
    with TemporaryDirectory() as folder:
        for script in _FOLDER.glob("*.mjs"):
            shutil.copy(script, folder)
        Path(folder, "node_modules").symlink_to(PACKAGES)
        yield Path(folder)
