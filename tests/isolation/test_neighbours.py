"""What code in a sandbox can do to its agent, and to anybody else: nothing."""

from __future__ import annotations

import os

import pytest

from insitu.engine import Engine
from tests.support.guest import Guest

SIGNALS = (1, 2, 9, 15, 17, 19)
# Each takes the number of a process; 0 means the caller itself, for whom most of this is allowed.
ATTACKS = {
    "prlimit": "resource.prlimit({pid}, resource.RLIMIT_NOFILE, (3, 3))",
    "priority": "os.setpriority(os.PRIO_PROCESS, {pid}, 19)",
    "affinity": "os.sched_setaffinity({pid}, [0])",
    "scheduler": "os.sched_setscheduler({pid}, os.SCHED_BATCH, os.sched_param(0))",
    "memory": "open('/proc/{pid}/mem', 'r+b')",
    "reading memory": "open('/proc/{pid}/mem', 'rb')",
    "maps": "open('/proc/{pid}/maps')",
    "environment": "open('/proc/{pid}/environ')",
    "a descriptor": "os.readlink('/proc/{pid}/fd/3')",
    "opening a descriptor": "open('/proc/{pid}/fd/3')",
    "working directory": "os.readlink('/proc/{pid}/cwd')",
}
LIBC = {
    "ptrace": "refused_by_libc('ptrace', 16, {pid}, 0, 0)",
    "seize": "refused_by_libc('ptrace', 0x4206, {pid}, 0, 0)",
    "process_vm_readv": "refused_by_libc('process_vm_readv', {pid}, None, 0, None, 0, 0)",
    "process_vm_writev": "refused_by_libc('process_vm_writev', {pid}, None, 0, None, 0, 0)",
    "pidfd_getfd": "refused_by_libc('syscall', 438, os.pidfd_open({pid}), 3, 0)",
    "kcmp": "refused_by_libc('syscall', 312, {pid}, os.getpid(), 0, 0, 0)",
}


async def assert_whole(guest: Guest) -> None:
    """The sandbox works as if nothing had been tried on it."""
    assert await guest.ask("open('whole', 'w').close(); answer = 1") == 1
    assert [info.path for info in await guest.session.files.list()] == ["whole"]


@pytest.mark.parametrize("number", SIGNALS)
async def test_no_signal_reaches_the_agent(fresh: Guest, number: int) -> None:
    answer = await fresh.ask(
        f"import signal\nanswer = [refused(os.kill, 1, {number}),"
        f" refused(lambda: signal.pidfd_send_signal(os.pidfd_open(1), {number}))]"
    )
    assert answer == ["EPERM", "EPERM"]
    await assert_whole(fresh)


async def test_a_signal_to_everybody_spares_the_agent(fresh: Guest) -> None:
    code = """
        import subprocess
        child = subprocess.Popen(["sleep", "1000"])
        os.kill(-1, 9)
        answer = [child.wait(), os.path.exists("/proc/1")]
    """
    assert await fresh.ask(code) == [-9, True]
    await assert_whole(fresh)


async def test_nothing_of_the_agent_can_be_touched(fresh: Guest) -> None:
    lines = [f"answer[{name!r}] = refused(lambda: {call.format(pid=1)})" for name, call in ATTACKS.items()]
    lines += [f"answer[{name!r}] = {call.format(pid=1)}" for name, call in LIBC.items()]
    answer = await fresh.ask("import resource\nanswer = {}\n" + "\n".join(lines))
    assert {name: how for name, how in answer.items() if how not in ("EPERM", "EACCES", "ENOSYS")} == {}
    await assert_whole(fresh)


async def test_other_sandboxes_are_out_of_sight(guest: Guest, fresh: Guest) -> None:
    secret = f"secret-{os.getpid()}"
    await fresh.run(f"secret = {secret!r}; open('secret', 'w').write(secret)")
    found = await guest.ask(
        "import glob; answer = glob.glob('/mnt/**/secret', recursive=True) + glob.glob('/proc/*/root/mnt/data/*')"
    )
    assert found == []


async def test_sandboxes_share_no_ipc(guest: Guest, fresh: Guest) -> None:
    make = "from multiprocessing import shared_memory as s; m = s.SharedMemory('insitu', True, 64); answer = m.name"
    assert await fresh.ask(make) == "insitu"
    assert await guest.ask(make) == "insitu"
    key = 0x494E5349
    assert await fresh.ask(f"answer = libc.shmget({key}, 4096, 0o1666) >= 0") is True
    assert await guest.ask(f"answer = refused_by_libc('shmget', {key}, 4096, 0o666)") == "ENOENT"


async def test_sandboxes_share_no_loopback(guest: Guest, fresh: Guest) -> None:
    serve = "import socket; server = socket.create_server(('127.0.0.1', 4567)); answer = 1"
    assert await fresh.ask(serve) == 1
    assert (
        await guest.ask("import socket\nwith socket.socket() as s: answer = refused(s.connect, ('127.0.0.1', 4567))")
        == "ECONNREFUSED"
    )
    assert await guest.ask(serve) == 1


async def test_an_interpreter_finds_nothing_of_the_one_before(fresh: Guest) -> None:
    assert await fresh.ask("import sys, builtins; builtins.mark = sys.mark = 1; answer = os.getpid() > 1")
    assert (await fresh.run("import os; os._exit(0)")).outcome == "crashed"
    assert await fresh.ask("answer = hasattr(sys, 'mark') or 'mark' in dir(__builtins__)") is False


async def test_sandboxes_go_on_when_another_goes_down(engine: Engine, fresh: Guest) -> None:
    other = Guest(engine, await engine.create_session())
    assert await other.ask("x = 1; answer = x") == 1
    assert (await fresh.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")).exit_code == 139
    await engine.end_session(fresh.session)
    assert await other.ask("answer = x + 1") == 2
    await engine.end_session(other.session)
