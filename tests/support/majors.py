"""Clients of other majors than those that most tests are made with.

Python's are in a folder that comes before all other packages of a process of its own, whose servers run without it; for
Node's there is a second `node_modules`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_FOLDER = Path(sys.prefix) / "majors"
_READY = _FOLDER / ".ready"
_NAME = "INSITU_TESTS_OTHER_MAJORS"
_REQUIRED = bool(os.environ.get("CI"))

OTHERS = bool(os.environ.get(_NAME))
"""Whether this process is the one of the other majors."""

needs_majors = pytest.mark.skipif(not _REQUIRED and not _READY.exists(), reason="needs other majors: `make majors`")

usual_major = pytest.mark.skipif(OTHERS, reason="other majors of the client have no such API")


def environment_with() -> dict[str, str]:
    """The environment of a process that has the other majors."""
    path = os.pathsep.join([str(_FOLDER), *_path()])
    return {**os.environ, _NAME: "1", "PYTHONPATH": path}


def environment_without() -> dict[str, str]:
    """That of a process which has none of them, whatever this one has."""
    path = os.pathsep.join(each for each in _path() if each != str(_FOLDER))
    return {**os.environ, _NAME: "", "PYTHONPATH": path}


def _path() -> list[str]:
    return [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
