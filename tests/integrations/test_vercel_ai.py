"""The package for the Vercel AI SDK, whose own tests run against a server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.client("ai")

PACKAGE = Path(__file__).parents[2] / "clients" / "vercel-ai"
_REQUIRED = any(os.environ.get(name) for name in ("CI", "INSITU_TESTS_REQUIRE_NODE"))
_THERE = (PACKAGE / "node_modules" / ".ready").exists() and bool(shutil.which("npm"))


@pytest.mark.skipif(not _REQUIRED and not _THERE, reason="needs Node and `make clients/vercel-ai/node_modules/.ready`")
@pytest.mark.shows("answer", "stream", "state", "files in", "files out", "images", "errors", "leaving")
def test_the_package_builds_and_passes_its_own_tests(url: str) -> None:
    environment = {**os.environ, "INSITU_URL": url}
    done = subprocess.run(
        ["npm", "test", "--silent"], cwd=PACKAGE, env=environment, capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout and "# pass 8" in done.stdout, done.stdout
