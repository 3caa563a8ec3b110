"""The checks of `insitu doctor` that are not about the kernel: memory, Python, port, folder, model, and a first run."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import anyio

from insitu.client import Client
from insitu.engine import Engine
from insitu.errors import InsituError
from insitu.isolation.process.doctor import Check
from insitu.server.run import listen
from insitu.settings import Settings
from insitu.types import Execution

from .probe import fault_of_upstream
from .text import size

_TIERS = ("process",)
# What a session takes of the server: sockets, pipes, pidfds and the counters of its control groups.
_DESCRIPTORS_PER_SESSION = 10
_PROBE = """
import json, platform, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps([platform.python_version(), {name: version(name) for name in sys.argv[1:]}]))
"""


def check_surroundings(settings: Settings) -> Iterator[Check]:
    """What a server needs beside the kernel."""
    yield _check_memory(settings)
    yield _check_descriptors(settings)
    yield _check_python(settings.python)
    yield _check_port(settings)
    yield _check_data_folder(settings.data_dir)
    if settings.upstream:
        yield _check_model_server(settings)


def _check_memory(settings: Settings) -> Check:
    available = _meminfo("MemAvailable")
    found = f"{size(available)} of {size(_meminfo('MemTotal'))} available"
    if available >= settings.memory_bytes:
        return Check("memory", "ok", found)
    needed = f"a session may use {size(settings.memory_bytes)}"
    return Check("memory", "warn", found, needed, "free some, or serve smaller sessions: --memory-bytes 256m")


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _check_descriptors(settings: Settings) -> Check:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = settings.max_sessions * _DESCRIPTORS_PER_SESSION
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return Check("open files", "ok", "unlimited" if hard == resource.RLIM_INFINITY else f"up to {hard}")
    mend = f"raise the hard limit (ulimit -Hn {needed}, or LimitNOFILE= of a service), or lower --max-sessions"
    return Check("open files", "warn", f"up to {hard}", f"{settings.max_sessions} sessions take up to {needed}", mend)


def _check_python(python: Path) -> Check:
    wanted = _packages()
    try:
        command = [str(python), "-I", "-c", _PROBE, *wanted]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        version, found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Check("python", "fail", f"{python}: {error}", "an interpreter", "name one that works: --python PATH")
    missing = [name for name in wanted if found[name] is None]
    there = f"{python}, {version}, with {len(wanted) - len(missing)} of {len(wanted)} packages for data"
    if tuple(map(int, version.split(".")[:2])) < (3, 9):
        return Check("python", "fail", there, "Python 3.9 or later", "name another: --python PATH")
    if not missing:
        return Check("python", "ok", there)
    mend = f"{python} -m pip install {' '.join(missing)}"
    return Check("python", "warn", there, "what code for data analysis imports; the rest works without", mend)


def _packages() -> list[str]:
    # One list, that of the extra `data`.
    extra = [line for line in metadata.requires("insitu") or () if re.search(r"""extra == ['"]data['"]""", line)]
    return [match[0] for line in extra if (match := re.match(r"[\w.-]+", line))]


def _check_port(settings: Settings) -> Check:
    place = f"{settings.host}:{settings.port}"
    try:
        listen(settings).close()
        return Check("port", "ok", f"{place} is free")
    except InsituError as error:
        refusal = error.message
    try:
        with Client(f"http://{place}", connect_timeout_s=1, read_timeout_s=2) as client:
            client.health()
        return Check("port", "ok", f"an insitu server answers at {place}")
    except InsituError:
        return Check("port", "warn", refusal, "`insitu serve` listens there", "choose another: --port N")


def _check_data_folder(folder: Path) -> Check:
    # Nothing is made for a look: what can be written to is the nearest folder that is there.
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Check("data folder", "ok", f"{folder}, with {size(shutil.disk_usage(there).free)} free")
    found = f"{there} {'cannot be written to' if there.is_dir() else 'is no folder'}"
    return Check("data folder", "fail", found, f"a folder for what lasts: {folder}", "name another by INSITU_DATA_DIR")


def _check_model_server(settings: Settings) -> Check:
    fault = fault_of_upstream(settings)
    if fault is None:
        return Check("model server", "ok", f"{settings.upstream} answers")
    mend = fault.mend or "see that it runs, and that INSITU_UPSTREAM is its base URL"
    return Check("model server", "warn", f"{settings.upstream} {fault.what}", "it answers to /models", mend)


def run_something(settings: Settings) -> Iterator[Check]:
    """Run code through the engine, in each tier."""
    for tier in _TIERS:
        name, needed = f"run in {tier}", "code runs, and its answer is right"
        begun = time.perf_counter()
        try:
            layers, execution = anyio.run(_run, settings.model_copy(update={"preimport": (), "pool_size": 0}), tier)
        except InsituError as error:
            yield Check(name, "fail", error.message, needed, error.hint or "")
            continue
        if execution.stdout != "45\n":
            found = execution.error.value if execution.error else f"{execution.outcome}: {execution.stdout!r}"
            yield Check(name, "fail", found, needed, "report it")
            continue
        yield Check(name, "ok", f"right, after {time.perf_counter() - begun:.1f} s from nothing", needed)
        yield from _lesser(layers)


async def _run(settings: Settings, tier: str) -> tuple[dict[str, str], Execution]:
    async with Engine(settings) as engine:
        return dict(engine.layers), await engine.run(None, "print(sum(range(10)))", tier=tier)


def _lesser(layers: dict[str, str]) -> Iterator[Check]:
    for name, what in layers.items():
        if what == "off" or what.startswith("none"):
            yield Check(f"in force: {name}", "warn", what, "every layer of the wall", "see above")
