"""The other Pythons of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path


def find_python(minor: int) -> str | None:
    """The path of a Python 3.``minor``, by name or from pyenv."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python3"))
    return str(installed[-1]) if installed else shutil.which(f"python3.{minor}")
