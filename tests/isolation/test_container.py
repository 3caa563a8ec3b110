"""In a container without privileges, with the profile and the flags that the documentation names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "deploy/seccomp.json"
UNMASKED = ("--security-opt", "unmask=ALL")
WITH_PROFILE = ("--security-opt", f"seccomp={PROFILE}")

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("podman"), reason="takes root and podman"),
]


def run_contained(*options: str) -> tuple[int, str, str]:
    """`insitu run` in a container of this machine's own files, which it cannot change."""
    limits = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
    command = ("podman", "run", "--rm", "--network=none", *limits, *options, "--rootfs", "/:O")
    insitu = (sys.executable, "-m", "insitu", "run", "import os; (6 * 7, os.getuid())")
    run = subprocess.run([*command, *insitu], capture_output=True, text=True, timeout=50, check=False)
    return run.returncode, run.stdout, run.stderr


def test_without_privileges_a_sandbox_starts() -> None:
    # Python may be in a folder of root's. To map root's own id takes this capability, and to map any other takes none.
    safe = ("--cap-drop=ALL", "--cap-add=SETFCAP", "--security-opt", "no-new-privileges")
    code, stdout, stderr = run_contained(*safe, *WITH_PROFILE, *UNMASKED)
    assert (code, stdout) == (0, "(42, 1000)\n"), stderr


@pytest.mark.parametrize("options", [(), UNMASKED, WITH_PROFILE], ids=["neither", "no profile", "a masked proc"])
def test_with_less_the_message_says_what_is_missing(options: tuple[str, ...]) -> None:
    code, stdout, stderr = run_contained(*options)
    assert (code, stdout) == (125, "")
    assert "the kernel refuses the namespaces and mounts that a sandbox is made of" in stderr
    assert "in a container: allow unshare, mount and user namespaces (a seccomp profile), and unmask /proc" in stderr
