"""The Python of an environment: whether it is one, and where it keeps what it needs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

import anyio

from ...errors import InvalidRequest
from ..base import Environment

_PROBE = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
    "paths": [p for p in [*sys.path, paths["stdlib"], paths["platstdlib"], paths["purelib"]] if os.path.isdir(p)],
    "executable": sys.executable,
    "real": os.path.realpath(sys.executable),
    "version": list(sys.version_info[:3]),
}))
"""
# What of an installation prefix is needed; the rest of one such as ~/.local is nobody's business.
_OF_PREFIX = ("bin", "lib", "lib64", "libexec", "pyvenv.cfg", "conda-meta")


async def probe(environment: Environment) -> dict[str, Any]:
    """What its Python says of itself.

    Raises:
        InvalidRequest: if it is none, or too old.
    """
    python = str(environment.python)
    try:
        done = await anyio.run_process([python, "-I", "-c", _PROBE], env={"PATH": os.defpath, "LANG": "C.UTF-8"})
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise InvalidRequest(
            f"the environment {environment.name!r} has no working Python at {python}: {_why(error)}",
            hint="name an interpreter, such as --python /path/to/venv/bin/python",
        ) from error
    if found["version"] < [3, 9]:
        version = ".".join(map(str, found["version"]))
        raise InvalidRequest(f"the environment {environment.name!r} has Python {version}; insitu needs 3.9 or later")
    return found


def folders_of(found: Mapping[str, Any]) -> list[str]:
    """The folders of this machine that it needs."""
    folders = {os.path.dirname(found["executable"]), os.path.dirname(found["real"]), *found["paths"]}
    for prefix in found["prefixes"]:
        if prefix not in ("/", "/usr"):
            folders |= {f"{prefix}/{name}" for name in _OF_PREFIX}
    real = {os.path.realpath(path) for path in folders}
    return sorted(path for path in folders | real if os.path.exists(path))


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
        end = f"exit code {error.returncode}" + (f" and says: {said}" if said else "")
        return f"asked for its version, it ends with {end}; insitu needs Python 3.9 or later"
    return "it does not answer as Python does"
