"""The tests of all that makes sandboxes, once more, as a user without any privilege."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import unprivileged

# What is done otherwise without privileges: sandboxes, and what commands say of the machine. All else asks for them
# in the same way, whoever the user is.
SANDBOXES = (
    *(f"tests/{name}" for name in ("engine", "isolation", "local")),
    *(f"tests/cli/test_{name}.py" for name in ("doctor", "run")),
    "tests/server/test_run.py",
)
TOGETHER = ("-n", "3", "--dist", "worksteal")
SHARES: dict[str, tuple[str, ...]] = {
    # Programs under the filter are under the same one, whoever has installed it.
    "together": (*SANDBOXES, "--ignore", "tests/isolation/test_seccomp_workloads.py", "-m", "not serial", *TOGETHER),
    "alone": (*SANDBOXES, "-m", "serial"),
    # Without Landlock they are made as root.
    "attacks": ("tests/attacks", "-k", "not (without and landlock)", *TOGETHER),
}
TIMEOUT_S = 420


@pytest.mark.serial
@pytest.mark.timeout(TIMEOUT_S + 30)
@pytest.mark.skipif(os.geteuid() != 0, reason="this user has no privilege to give up")
@pytest.mark.parametrize("share", SHARES)
def test_an_unprivileged_users_sandboxes_pass_the_same_tests(share: str) -> None:
    # Not below the folder of this user's temporary files, where nobody else may go.
    home = Path(f"/tmp/insitu-{os.getpid()}-{share[:3]}")
    home.mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--basetemp", str(home / "tests")]
    command += SHARES[share]
    with (home / "output").open("w", encoding="utf-8") as output:
        argv = [sys.executable, unprivileged.__file__, str(home), *command]
        run = subprocess.run(argv, stdout=output, stderr=output, timeout=TIMEOUT_S, check=False)
    said = (home / "output").read_text(encoding="utf-8")
    assert run.returncode == 0, said[-10_000:]
    print(said.splitlines()[-1])
    shutil.rmtree(home)
