"""The JavaScript SDK as a client: scripts of `tests/node`, which Node runs and which report what they saw."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

_FOLDER = Path(__file__).parents[1] / "node"
_READY = _FOLDER / "node_modules" / ".ready"
_REQUIRED = any(os.environ.get(name) for name in ("CI", "INSITU_TESTS_REQUIRE_NODE"))
_LACK = "needs Node 20 or newer and its packages: install Node, then `make tests/node/node_modules/.ready`"
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
    with anyio.move_on_after(_WAIT_S):
        ended = await anyio.run_process(command, input=json.dumps(request).encode(), check=False, cwd=_FOLDER)
        said, complaints = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
        assert ended.returncode == 0 and said.strip(), (
            f"{' '.join(command)} ended with {ended.returncode}\n--- stdout\n{said}\n--- stderr\n{complaints}"
        )
        report: dict[str, Any] = json.loads(said.splitlines()[-1])
        return report
    raise AssertionError(f"{' '.join(command)} took longer than {_WAIT_S} seconds")
