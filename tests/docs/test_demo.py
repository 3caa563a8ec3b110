"""The demo, as `make demo` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT
from tests.support.serve_command import clean_environment


def test_the_demo_succeeds_and_leaves_its_picture(tmp_path: Path) -> None:
    demo = [sys.executable, str(ROOT / "examples" / "demo.py")]
    done = subprocess.run(demo, capture_output=True, cwd=tmp_path, env=clean_environment(tmp_path), timeout=55)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "demo-output" / "weather.png").read_bytes().startswith(b"\x89PNG")
