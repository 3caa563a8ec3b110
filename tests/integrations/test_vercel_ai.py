"""The package for the Vercel AI SDK as it is published: its own tests use what is in the tarball, against a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.client("ai")

PACKAGE = Path(__file__).parents[2] / "clients" / "vercel-ai"
MODULES = PACKAGE / "node_modules"
_REQUIRED = any(os.environ.get(name) for name in ("CI", "INSITU_TESTS_REQUIRE_NODE"))
_THERE = (MODULES / ".ready").exists() and bool(shutil.which("npm"))


@pytest.mark.skipif(not _REQUIRED and not _THERE, reason="needs Node and `make clients/vercel-ai/node_modules/.ready`")
@pytest.mark.timeout(150)  # TypeScript reads the whole AI SDK, twice
@pytest.mark.shows("answer", "stream", "state", "files in", "files out", "images", "errors", "leaving")
def test_the_package_is_built_packed_installed_and_passes_its_tests(url: str, tmp_path: Path) -> None:
    tarball = packed(tmp_path)
    scratch = installed(tmp_path, tarball)
    run("node_modules/.bin/tsc", cwd=scratch)  # its types are found by the package's name
    done = run("node", "--test", "build/", cwd=scratch, INSITU_URL=url)
    assert "# fail 0" in done and "# pass 15" in done, done


def packed(folder: Path) -> Path:
    """The package's tarball, built without a network."""
    shutil.copytree(PACKAGE, folder / "package", ignore=shutil.ignore_patterns("node_modules", "dist", "build"))
    (folder / "package" / "node_modules").symlink_to(MODULES)
    [packed] = json.loads(run("npm", "pack", "--offline", "--json", cwd=folder / "package"))
    names = {each["path"] for each in packed["files"]}
    assert {name for name in names if not name.startswith("dist/")} == {"README.md", "package.json"}
    assert {"dist/index.js", "dist/index.d.ts"} <= names
    return folder / "package" / str(packed["filename"])


def installed(folder: Path, tarball: Path) -> Path:
    """A project with the package and its tests, which has the packages beside it from where they are already."""
    scratch = folder / "scratch"
    shutil.copytree(PACKAGE / "test", scratch / "test")
    shutil.copy(PACKAGE / "tsconfig.json", scratch)
    (scratch / "package.json").write_text('{"type": "module"}')
    run("npm", "install", "--offline", "--legacy-peer-deps", "--no-audit", "--no-fund", str(tarball), cwd=scratch)
    for path in MODULES.iterdir():
        if not (scratch / "node_modules" / path.name).exists():
            (scratch / "node_modules" / path.name).symlink_to(path)
    return scratch


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What a command writes; all of it if the command fails."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
