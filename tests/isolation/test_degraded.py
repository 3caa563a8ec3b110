"""A machine that lacks a layer: the start fails and says which, or the operator has chosen to do without."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from insitu.engine import Engine
from insitu.errors import IsolationUnavailable
from insitu.guest import linux
from tests.engine.commands import run, until_output
from tests.support.guest import SMALL, Guest, chunks

DEGRADED = SMALL.model_copy(update={"allow_degraded": True})


async def start() -> None:
    async with Engine(SMALL):
        raise AssertionError("it has started")


async def test_without_landlock_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "landlock_abi", lambda: 0)
    with pytest.raises(IsolationUnavailable, match="has no Landlock, or it is not switched on") as caught:
        await start()
    assert caught.value.layer == "landlock"
    assert "--allow-degraded" in (caught.value.hint or "")


async def test_without_a_filter_for_the_machine_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(IsolationUnavailable, match="riscv64") as caught:
        await start()
    assert caught.value.layer == "seccomp"
    assert "--allow-degraded" in (caught.value.hint or "")


async def test_an_operator_may_do_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "landlock_abi", lambda: 0)
    async with Engine(DEGRADED) as engine:
        assert (engine.layers["landlock"], engine.layers["seccomp"]) == ("off", "allow-list")
        guest = Guest(engine, await engine.create_session())
        assert guest.session.info().layers["landlock"] == "off"
        # What Landlock alone stood in the way of, which shows that the wall's test of it means something.
        assert await guest.ask("answer = refused(lambda: open('/proc/self/comm', 'w').write('x'))") == "went through"


SPY = r"""
import os
def words(pid, name):
    with open(f"/proc/{pid}/status") as file:
        return next(line for line in file if line.startswith(name)).split()
print("in", flush=True)
while not os.path.exists("enough"):
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and pid != "1" and words(pid, "Seccomp:")[1] == "0":
                os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
                if words(pid, "Seccomp:")[1] == "0": print("reached", *words(pid, "Name:"), flush=True)
        except (OSError, StopIteration): pass
"""


async def test_without_landlock_nobody_reaches_who_is_not_yet_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "landlock_abi", lambda: 0)
    async with Engine(DEGRADED) as engine:
        guest = Guest(engine, await engine.create_session())
        async with engine.start_command(guest.session, ["python", "-c", SPY], timeout_s=20) as running:
            await until_output(running)
            for _ in range(20):
                assert (await run(guest, "true")).outcome == "ok"
                assert (await guest.run("import os; os._exit(0)")).outcome == "crashed"
            await guest.session.files.write("enough", chunks())
            assert (await running.result()).stdout == "in\n"


async def test_an_operator_may_do_without_seccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    async with Engine(DEGRADED) as engine:
        assert (engine.layers["seccomp"], engine.layers["landlock"]) == ("off", f"abi {linux.landlock_abi()}")
        guest = Guest(engine, await engine.create_session())
        status = await guest.ask("answer = open('/proc/self/status').read()")
        assert "Seccomp:\t0\n" in status
        assert "NoNewPrivs:\t1\n" in status


USER_OF_ITS_OWN = """
import os, anyio
from insitu.engine import Engine
from insitu.errors import IsolationUnavailable
from insitu.guest import linux
from insitu.settings import Settings

uid, gid = os.getuid(), os.getgid()
linux.unshare(linux.CLONE_NEWUSER)
for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
    with open(f"/proc/self/{name}", "w") as file: file.write(text)
"""
NO_NAMESPACES = """
with open("/proc/sys/user/max_user_namespaces", "w") as file: file.write("0")
"""
START = """
async def main():
    try:
        async with Engine(Settings(preimport=(), pool_size=0)): print("it has started")
    except IsolationUnavailable as error: print(error.layer, error, sep="\\n")

anyio.run(main)
"""


def started_by(*code: str) -> str:
    argv = [sys.executable, "-c", "".join(code)]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=50, check=True).stdout


def test_without_user_namespaces_one_message_says_what_to_do() -> None:
    # In a user namespace of its own, whose own limit is 0: the kernel refuses as it would on such a machine.
    layer, message, *hint = started_by(USER_OF_ITS_OWN, NO_NAMESPACES, START).splitlines()
    assert layer == "namespaces"
    assert message.startswith("the kernel refuses the namespaces and mounts that a sandbox is made of (")
    assert "user/max_user_namespaces is 0: raise it" in hint[0]


def test_a_server_in_a_user_namespace_of_its_own_works() -> None:
    assert started_by(USER_OF_ITS_OWN, START) == "it has started\n"
