"""Using up what there is: memory, disk, descriptors, processor time, and whatever the kernel keeps for others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.types import Outcome
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand
from tests.support.footprint import Footprint

# Without control groups it is the address space that is limited, and the code is told.
OUT_OF_MEMORY: tuple[Outcome, ...] = ("out_of_memory", "error", "crashed")


HOARDS = (
    Attack(
        what="take a hundred gigabytes in one piece, and use them",
        stopped_by=Layer.CGROUPS,
        code="""
        import mmap
        NORESERVE = 0x4000
        hoard = mmap.mmap(-1, 10**11, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
        for at in range(0, 10**11, 4096): hoard[at] = 1
        """,
        ends=OUT_OF_MEMORY,
        options={"timeout_s": 5},
    ),
    Attack(
        what="take memory bit by bit, and go on when it is refused",
        stopped_by=Layer.CGROUPS,
        code="""
        hoard = []
        try:
            while True: hoard.append(b"x" * (1 << 20))
        except MemoryError as error:
            hoard.append(error)
            while True: hoard.append([hoard[-1]] * 100)
        """,
        ends=OUT_OF_MEMORY,
        options={"timeout_s": 5},
    ),
    Attack(
        what="leave the interpreter no memory to report with",
        stopped_by=Layer.CGROUPS,
        code="""
        import builtins
        class Greedy(Exception):
            def __str__(self):
                while True: builtins.hoard.append(b"x" * (1 << 20))
        builtins.hoard = []
        raise Greedy
        """,
        ends=OUT_OF_MEMORY,
        options={"timeout_s": 5},
    ),
    Attack(
        what="hide memory in the kernel's page tables, a page for each byte that is used",
        stopped_by=Layer.CGROUPS,
        code="""
        import mmap
        NORESERVE, STEP = 0x4000, 1 << 21
        sparse = mmap.mmap(-1, STEP << 17, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
        sparse.madvise(15)
        for at in range(0, STEP << 17, STEP): sparse[at] = 1
        """,
        ends=OUT_OF_MEMORY,
        options={"timeout_s": 5},
    ),
)


BOMBS = (
    Attack(
        what="take memory in many children, each of which takes less than the limit",
        stopped_by=Layer.CGROUPS,
        code="""
        import signal
        children = []
        for _ in range(6):
            ready, told = os.pipe()
            if not (child := os.fork()):
                hoard = b"x" * (60 << 20)
                os.write(told, b"1")
                signal.pause()
            os.close(told)
            os.read(ready, 1)
            children.append(child)
        killed = [child for child in children if os.waitpid(child, os.WNOHANG)[0]]
        len(killed) > 0
        """,
        answers=[True],
        ends=["ok", "out_of_memory"],
        options={"timeout_s": 5},
        unless=Layer.CGROUPS,
    ),
    Attack(
        what="hide memory in files that have no name, outside of the workspace",
        stopped_by=Layer.CGROUPS,
        code="""
        for _ in range(64):
            file = os.memfd_create("hoard")
            for _ in range(15): os.write(file, bytes(1 << 20))
        """,
        ends=["out_of_memory"],
        options={"timeout_s": 5},
        unless=Layer.CGROUPS,
    ),
    Attack(
        what="hide memory in the buffers of pipes",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import fcntl
        def more():
            writer = os.pipe()[1]
            how.add(attempt(fcntl.fcntl, writer, 1031, 1 << 20))
            os.set_blocking(writer, False)
            return os.write(writer, bytes(fcntl.fcntl(writer, 1032)))
        filled, how = 0, set()
        try:
            while filled < 512 << 20: filled += more()
        except OSError as error: end = _errno.errorcode[error.errno]
        [filled < 96 << 20, sorted(how), end]
        """,
        # What one user may have in all of its pipes is the kernel's to say, to who has no right to more.
        answers=[[True, ["EPERM", "went through"], "EMFILE"]],
        options={"timeout_s": 5},
    ),
    Attack(
        what="fill the workspace, /tmp and shared memory, each to the brim",
        stopped_by=Layer.WORKSPACE,
        code="""
        written, ends = 0, set()
        for path in ("/mnt/data/f", "/home/user/g", "/tmp/f", "/dev/shm/f"):
            with open(path, "wb", buffering=0) as file:
                try:
                    while True: written += file.write(bytes(1 << 16))
                except OSError as error: ends.add(_errno.errorcode[error.errno])
        [ends <= {"ENOSPC", "EFBIG"}, written <= 16 << 20]
        """,
        answers=[[True, True]],
    ),
    Attack(
        what="make a file of a petabyte that takes no room",
        stopped_by=Layer.RLIMITS,
        code="""
        file = os.open("sparse", os.O_CREAT | os.O_RDWR)
        [
            attempt(os.ftruncate, file, 1 << 50),
            attempt(os.posix_fallocate, file, 1 << 50, 1),
            attempt(os.pwrite, file, b"x", 1 << 50),
            attempt(os.ftruncate, file, 16 << 20),
        ]
        """,
        answers=[["EFBIG", "EFBIG", "EFBIG", "went through"]],
    ),
    Attack(
        what="open descriptors of every kind until there are none",
        stopped_by=Layer.RLIMITS,
        code="""
        import select, socket
        kinds = os.pipe, select.epoll, socket.socketpair, lambda: os.dup(1), lambda: os.memfd_create("f")
        def hoard(make, held):
            while True: held.append(make())
        [attempt(hoard, make, []) for make in kinds]
        """,
        answers=[["EMFILE"] * 5],
    ),
    Attack(
        what="set timers without end",
        stopped_by=Layer.RLIMITS,
        code="""
        timer, count = _ctypes.c_int(), 0
        while (how := syscall("timer_create", 0, None, _ctypes.byref(timer))) == "went through": count += 1
        [how, count <= 256]
        """,
        answers=[["EAGAIN", True]],
    ),
    Attack(
        what="queue signals without end",
        stopped_by=Layer.RLIMITS,
        code="""
        import signal
        number, information, count = signal.SIGRTMIN, (_ctypes.c_int * 32)(signal.SIGRTMIN, 0, -1), 0
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        queue = ("rt_sigqueueinfo", os.getpid(), int(number), _ctypes.byref(information))
        while (how := syscall(*queue)) == "went through": count += 1
        [how, count <= 256]
        """,
        answers=[["EAGAIN", True]],
    ),
    Attack(
        what="nail memory down, so that the host cannot move it",
        stopped_by=Layer.RLIMITS,
        code="""
        import mmap
        held = mmap.mmap(-1, 1 << 20)
        address = _ctypes.addressof(_ctypes.c_char.from_buffer(held))
        [syscall("mlock", _ctypes.c_void_p(address), 1 << 20), syscall("mlockall", 3)]
        """,
        answers=[["ENOMEM", "ENOMEM"]],
    ),
    Attack(
        what="leave the dead unburied until no process can be born",
        stopped_by=Layer.CGROUPS,
        code="""
        born = 0
        try:
            while born < 1000:
                if not os.fork(): os._exit(0)
                born += 1
        except OSError as error: how = _errno.errorcode[error.errno]
        [how, born <= 32]
        """,
        answers=[["EAGAIN", True]],
    ),
    Attack(
        what="give itself an environment that no program can be started with",
        stopped_by=Layer.RLIMITS,
        code="""
        import subprocess
        os.environ.update({f"V{at}": "x" * 100_000 for at in range(200)})
        attempt(subprocess.run, ["true"])
        """,
        answers=["E2BIG"],
    ),
)


SPINS = (
    Attack(
        what="compute for ever in C, where no signal is looked at",
        stopped_by=Layer.CLOCK,
        code="import collections, itertools\ncollections.deque(itertools.repeat(None), maxlen=0)",
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="search with a pattern that takes exponential time",
        stopped_by=Layer.CLOCK,
        code="import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="compute a number that is larger than the universe",
        stopped_by=Layer.CLOCK,
        code="pow(3**(10**6), 10**9, 7**(10**6))",
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="wait for itself at a lock that it holds",
        stopped_by=Layer.CLOCK,
        code="""
        import threading
        lock = threading.Lock()
        lock.acquire()
        while True:
            try: lock.acquire()
            except BaseException: pass
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
)


@tried(HOARDS)
async def test_memory_is_limited(stand: Stand, attack: Attack) -> None:
    execution = await stand.withstands(attack)
    assert (execution.outcome == "out_of_memory") == (Layer.CGROUPS not in stand.lacking)


@tried(BOMBS)
async def test_bombs(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@tried(SPINS)
async def test_time_is_up(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("go on in the host's swap when memory is used up", Layer.CGROUPS)
async def test_nothing_is_swapped_out(stand: Stand) -> None:
    if Layer.CGROUPS in stand.lacking:
        pytest.skip("without control groups nothing limits it")
    async with stand.unharmed(), stand.client() as client:
        before = Footprint.take().cgroups
        async with client.session() as session:
            await session.run("1")
            groups = [Path(path) for path in Footprint.take().cgroups - before]
            limits = [read for group in groups for read in _swap_limits(group)]
    assert limits
    assert all(limits)


def _swap_limits(group: Path) -> Iterator[bool]:
    for name, memory in (("memory.swap.max", ""), ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes")):
        if (group / name).exists():
            yield (group / name).read_text() == ((group / memory).read_text() if memory else "0\n")
