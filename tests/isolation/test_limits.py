"""What a sandbox may use up, and what happens beyond."""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from insitu.engine import Engine
from insitu.types import MIB, Limits
from tests.support.guest import SMALL, Guest
from tests.support.waiting import eventually

LIMITS = Limits(memory_bytes=192 * MIB, processes=24, disk_bytes=16 * MIB)


@pytest.fixture
async def tight(engine: Engine) -> AsyncIterator[Guest]:
    session = await engine.create_session(limits=LIMITS)
    yield Guest(engine, session)
    await engine.end_session(session)


@pytest.mark.parametrize("folder", ["/mnt/data", "/home/user", "/tmp", "/dev/shm"])
async def test_the_disk_has_a_size(tight: Guest, folder: str) -> None:
    code = f"""
import shutil
answer = []
with open({folder + "/one"!r}, "wb", buffering=0) as file:
    written = 0
    try:
        while True: written += file.write(bytes(1 << 16))
    except OSError as error: answer += [error.errno in (errno.ENOSPC, errno.EFBIG), written <= {LIMITS.disk_bytes}]
    answer.append(refused(open("/mnt/data/two", "wb", buffering=0).write, b"x" * (1 << 20)))
os.remove({folder + "/one"!r})
answer.append(open("/mnt/data/three", "wb").write(bytes({LIMITS.disk_bytes // 2})))
"""
    answer = await tight.ask(code)
    assert answer[:2] == [True, True]
    # The last page may still have been free: then the second file was cut short, and says so.
    assert answer[2] in ("ENOSPC", "went through")
    assert answer[3] == LIMITS.disk_bytes // 2


async def test_a_full_disk_leaves_a_session_that_works(tight: Guest) -> None:
    fill = """
        import contextlib, os
        with contextlib.suppress(OSError), open("big", "wb", 0) as file:
            while file.write(bytes(1 << 16)): pass
        os._exit(1)
    """
    assert (await tight.run(fill)).outcome == "crashed"
    assert await tight.ask("answer = sum(range(10))") == 45


async def test_files_are_counted(tight: Guest) -> None:
    code = """
import itertools
for count in itertools.count():
    try: open(f"/mnt/data/{count}", "w").close()
    except OSError as error: break
answer = [errno.errorcode[error.errno], count]
"""
    # The name of the exception is gone after its block: the guest keeps its number.
    code = code.replace("break", "number = error.errno; break").replace("error.errno]", "number]")
    name, count = await tight.ask(code)
    assert name == "ENOSPC"
    assert 100 < count < 1024
    assert (await tight.run("!rm -f /mnt/data/*")).outcome == "ok"


@pytest.mark.usefixtures("cgroups")
async def test_memory_ends_the_interpreter_and_not_the_session(tight: Guest) -> None:
    await tight.run("open('kept', 'w').write('x')")
    execution = await tight.run("hoard = [bytearray(1 << 20) for _ in range(400)]")
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("out_of_memory", 137, False)
    assert execution.error is not None
    assert execution.error.value == "the session used up its 192 MiB of memory"
    assert await tight.ask("answer = open('kept').read()") == "x"


@pytest.mark.usefixtures("cgroups")
async def test_memory_counts_for_all_processes_together(tight: Guest) -> None:
    code = """
import signal
children = []
for _ in range(4):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        hoard = bytearray(60 << 20)
        for at in range(0, len(hoard), 4096): hoard[at] = 1
        os.write(w, b"1")
        signal.pause()
    os.close(w)
    os.read(r, 1)
    children.append(pid)
killed = [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]]
answer = [len(killed)]
for pid in set(children) - set(killed): os.kill(pid, 9); os.waitpid(pid, 0)
"""
    assert await tight.ask(code) == [1]


@pytest.mark.usefixtures("cgroups")
@pytest.mark.parametrize("where", ["/mnt/data/f", "/tmp/f", "memfd"])
async def test_files_count_as_memory(engine: Engine, where: str) -> None:
    limits = replace(LIMITS, memory_bytes=128 * MIB, disk_bytes=80 * MIB)
    guest = Guest(engine, await engine.create_session(limits=limits))
    name = "os.memfd_create('f')" if where == "memfd" else f"os.open({where!r}, os.O_CREAT | os.O_RDWR)"
    code = f"import os\nfd = {name}\nfor _ in range(78): os.write(fd, bytes(1 << 20))\nhoard = bytearray(100 << 20)"
    execution = await guest.run(f"{code}\nfor at in range(0, len(hoard), 4096): hoard[at] = 1")
    assert execution.outcome == "out_of_memory"
    assert await guest.ask("answer = 1") == 1
    await engine.end_session(guest.session)


async def test_a_single_allocation_beyond_all_bounds_is_an_error_of_the_code(tight: Guest) -> None:
    execution = await tight.run("bytearray(1 << 50)")
    assert (execution.outcome, execution.state_kept) == ("error", True)
    assert execution.error is not None
    assert execution.error.name == "MemoryError"


async def test_address_space_is_the_limit_where_there_are_no_cgroups(engine: Engine, tight: Guest) -> None:
    limited = await tight.ask("import resource; answer = resource.getrlimit(resource.RLIMIT_AS)[0] != -1")
    assert limited == engine.layers["cgroups"].startswith("none")
    if limited:
        execution = await tight.run("hoard = bytearray(400 << 20)")
        assert execution.error is not None
        assert (execution.outcome, execution.error.name, execution.state_kept) == ("error", "MemoryError", True)


async def test_a_fork_bomb_goes_out(tight: Guest) -> None:
    code = """
import signal
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        children.append(pid)
except BlockingIOError as error: number = error.errno
for pid in children: os.kill(pid, 9); os.waitpid(pid, 0)
answer = [errno.errorcode[number], len(children)]
"""
    name, count = await tight.ask(code)
    assert name == "EAGAIN"
    assert 8 <= count <= LIMITS.processes
    assert await tight.ask("import subprocess; answer = subprocess.run(['true']).returncode") == 0


async def test_threads_count_as_processes(tight: Guest) -> None:
    code = """
import threading
stop, threads = threading.Event(), []
try:
    while len(threads) < 1000:
        threads.append(threading.Thread(target=stop.wait)); threads[-1].start()
except RuntimeError as error: said = str(error)
stop.set()
answer = [said, len(threads)]
"""
    said, count = await tight.ask(code)
    assert said == "can't start new thread"
    assert 8 <= count <= LIMITS.processes


@pytest.mark.usefixtures("cgroups")
async def test_the_processor_is_shared_out(engine: Engine) -> None:
    session = await engine.create_session(limits=replace(LIMITS, cpus=0.2))
    statistics = _cpu_statistics()
    before = {path: _throttled(path) for path in statistics}
    async with engine.start(session, "while True: pass") as running:
        await eventually(lambda: any(_throttled(path) > before[path] for path in before))
        await running.interrupt()
        assert (await running.result()).outcome == "cancelled"
    await engine.end_session(session)


def _cpu_statistics() -> list[Path]:
    folders = [Path(folder) for folder, _, names in os.walk("/sys/fs/cgroup") if "cpu.stat" in names]
    ours = f"insitu-{os.getpid()}-"
    return [folder / "cpu.stat" for folder in folders if ours in str(folder) and folder.name != "base"]


def _throttled(path: Path) -> int:
    counts = dict(line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return int(counts.get("nr_throttled", 0))


async def test_resource_limits_are_set_and_final(tight: Guest) -> None:
    answer = await tight.ask(
        "import resource\nanswer = {}\n"
        "for name in ('NOFILE', 'CORE', 'FSIZE', 'MEMLOCK', 'STACK', 'MSGQUEUE'):\n"
        "    number = getattr(resource, f'RLIMIT_{name}')\n"
        "    soft, hard = resource.getrlimit(number)\n"
        "    try: resource.setrlimit(number, (soft, hard + 1))\n"
        "    except (ValueError, PermissionError): pass\n"
        "    answer[name] = [soft, hard, resource.getrlimit(number) != (soft, hard)]"
    )
    expected = {
        "NOFILE": 1024,
        "CORE": 1,
        "FSIZE": LIMITS.disk_bytes,
        "MEMLOCK": 64 * 1024,
        "STACK": 8 * MIB,
        "MSGQUEUE": MIB,
    }
    for name, size in expected.items():
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        assert answer[name] == [size, size, False], name


async def test_descriptors_run_out_and_come_back(tight: Guest) -> None:
    code = (
        "import itertools\nopened = []\ndef hoard():\n    while True: opened.append(os.open('/dev/null', 0))\n"
        "answer = refused(hoard)\nfor fd in opened: os.close(fd)"
    )
    assert await tight.ask(code) == "EMFILE"
    assert await tight.ask("answer = 1") == 1


async def test_defaults_of_the_settings_hold(guest: Guest) -> None:
    assert guest.session.limits == SMALL.limits()
