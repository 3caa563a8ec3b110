"""Control groups, core dumps, and a wall that lacks a layer."""

from __future__ import annotations

import os
import resource
import struct
from pathlib import Path

import pytest

from insitu.engine import selftest
from insitu.errors import IsolationUnavailable
from insitu.guest import linux
from insitu.isolation.process import layers
from insitu.server.app import create_app
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import SETTINGS, Stand
from tests.support.processes import descendants

CORE = resource.RLIMIT_CORE
# From a struct to its bytes, in the program.
LIMITS = "import resource, signal, struct\ndef limits(soft, hard): return struct.pack('qq', soft, hard)\n"

GROUPS = (
    Attack(
        what="find a control group to change, its own limits or a program for the kernel to run when it empties",
        stopped_by=Layer.ROOT,
        code="""
        names = ("release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes", "memory.max")
        places = ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/proc/self/root/sys/fs/cgroup", "/dev/cgroup", "/run")
        mounted = [line for line in open("/proc/self/mountinfo") if " - cgroup" in line]
        [{attempt(open, f"{place}/{name}", "r+") for place in places for name in names}, mounted]
        """,
        answers=[[{"ENOENT"}, []]],
    ),
    Attack(
        what="mount a hierarchy of control groups of its own",
        stopped_by=Layer.SECCOMP,
        code="""
        kinds = ((b"cgroup", b"memory"), (b"cgroup", b"none,name=mine"), (b"cgroup2", None), (b"cpuset", None))
        os.mkdir("own")
        [syscall("mount", b"none", b"own", kind, 0, options) for kind, options in kinds] + [
            syscall("fsopen", kind, 0) for kind in (b"cgroup", b"cgroup2")]
        """,
        answers=[["EPERM"] * 6],
    ),
    Attack(
        what="move to its parent's control group through the files of another process's root",
        stopped_by=Layer.ROOT,
        code="""
        seen = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for place in ("root", "cwd"):
                seen.add(attempt(open, f"/proc/{pid}/{place}/sys/fs/cgroup/cgroup.procs", "w"))
        seen <= {"EACCES", "ENOENT"}
        """,
        answers=[True],
    ),
    Attack(
        what="join another control group by a descriptor that was left open",
        stopped_by=Layer.DESCRIPTORS,
        code="""
        def file_system(fd):
            about = (_ctypes.c_long * 32)()
            return about[0] if _libc.fstatfs(fd, about) == 0 else None
        [fd for fd in range(1024) if file_system(fd) in (0x27E0EB, 0x63677270)]
        """,
        answers=[[]],
    ),
    Attack(
        what="learn from its control groups where it is on the host",
        stopped_by=Layer.NAMESPACES,
        code="""
        import re
        paths = [line.rstrip().split(":", 2)[2] for who in ("self", 1) for line in open(f"/proc/{who}/cgroup")]
        [path for path in paths if not re.fullmatch(r"/(\\.\\./s\\d+)?", path)]
        """,
        answers=[[]],
    ),
)

DUMPS = (
    Attack(
        what="leave a core dump behind",
        stopped_by=Layer.RLIMITS,
        code=LIMITS
        + """
dumped = []
for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGSYS, signal.SIGBUS):
    if (pid := os.fork()) == 0:
        attempt(resource.setrlimit, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    status = os.waitpid(pid, 0)[1]
    dumped.append((os.WIFSIGNALED(status), os.WCOREDUMP(status)))
[set(dumped), os.listdir("/mnt/data"), os.listdir("/tmp")]
""",
        answers=[[{(True, False)}, [], []]],
    ),
    Attack(
        what="have the kernel start the host's program for core dumps, by a limit of 0 in place of 1",
        stopped_by=Layer.SECCOMP,
        code=LIMITS
        + """
old, before = _ctypes.create_string_buffer(16), resource.getrlimit(resource.RLIMIT_CORE)
told = [syscall("setrlimit", 4, limits(0, 0)), syscall("prlimit64", 0, 4, limits(0, 0), None)]
told += [syscall("prlimit64", 0, 4, limits(0, 0), old), syscall("prlimit64", os.getpid(), 4, limits(0, 0), None)]
[told, resource.getrlimit(resource.RLIMIT_CORE) == before]
""",
        # It seems to work, as far as that misleads nobody.
        answers=[[["went through", "went through", "EINVAL", "EPERM"], True]],
    ),
)

ATTACKS = (*GROUPS, *DUMPS)


@tried(ATTACKS)
async def test_cgroups(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("have what watches over it dump its memory on the host, should it crash", Layer.RLIMITS)
async def test_no_process_beside_code_dumps_core(stand: Stand) -> None:
    # Who starts with 0 cannot raise it.
    off = 0 if resource.getrlimit(CORE)[1] == 0 else 1
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert (await session.run("1 + 1")).text == "2"
        below = descendants(os.getpid())
        limits = {name: core_limit(pid) for pid, name in below.items() if name.startswith("insitu-")}
    assert {"insitu-superv", "insitu-init", "insitu-zygote", "insitu-agent", "insitu-python"} <= limits.keys()
    assert set(limits.values()) == {(off, off)}


def core_limit(pid: int) -> tuple[int, int]:
    """The soft and the hard limit of a process, as everybody may read them."""
    lines = Path(f"/proc/{pid}/limits").read_text("utf-8").splitlines()
    soft, hard = next(line for line in lines if line.startswith("Max core file size")).split()[4:6]
    return int(soft), int(hard)


@attack("be served where Landlock is missing and nobody has agreed to that", Layer.HOST)
async def test_without_landlock_nothing_is_served(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linux, "landlock_abi", lambda: 0)
    async with stand.unharmed():
        await _assert_not_served(tmp_path, "landlock")


@attack("be served behind a filter that lets everything through", Layer.HOST)
async def test_a_filter_without_effect_is_noticed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(layers, "build_filter", lambda machine: struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    async with stand.unharmed():
        await _assert_not_served(tmp_path, "seccomp")


@attack("be served where Landlock is said to be there and is not", Layer.HOST)
async def test_landlock_without_effect_is_noticed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linux, "landlock_abi", lambda: 0)
    monkeypatch.setattr(selftest, "_given_up", lambda what, layers: False)
    async with stand.unharmed():
        await _assert_not_served(tmp_path, "landlock", allow_degraded=True)


async def _assert_not_served(folder: Path, layer: str, *, allow_degraded: bool = False) -> None:
    app = create_app(SETTINGS.model_copy(update={"data_dir": folder, "allow_degraded": allow_degraded}))
    with pytest.raises(IsolationUnavailable) as caught:
        async with app.router.lifespan_context(app):
            pytest.fail("it is served")
    assert caught.value.layer == layer
