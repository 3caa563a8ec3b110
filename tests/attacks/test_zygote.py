"""The zygote: what sandboxes that are copies of one process learn of each other by it, and can do to it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from insitu.errors import InsituError
from tests.attacks.asking import ask, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import ATTACKER, Stand, another
from tests.support.processes import await_ends, named

ATTACKS = (
    Attack(
        what="use a descriptor that was left open, of all 65,536 numbers",
        stopped_by=Layer.DESCRIPTORS,
        code="""
            import stat
            found = {}
            for fd in range(1 << 16):
                try:
                    found[fd] = stat.S_IFMT(os.fstat(fd).st_mode)
                except OSError:
                    pass
            [found[0] == stat.S_IFCHR, {found[fd] == stat.S_IFIFO for fd in range(1, 5)}, sorted(found)]
        """,
        answers=[[True, {True}, [0, 1, 2, 3, 4]]],
    ),
    Attack(
        what="accept the server's connections, or wait for its events, on what was inherited",
        stopped_by=Layer.DESCRIPTORS,
        code="""
            accepts = {syscall("accept4", fd, None, None, 0) for fd in range(64)}
            events = _ctypes.create_string_buffer(12)
            waits = {syscall("epoll_pwait", fd, events, 1, 0, None, 8) for fd in range(64)}
            [sorted(accepts), sorted(waits)]
        """,
        answers=[[["EBADF", "ENOTSOCK"], ["EBADF", "EINVAL"]]],
    ),
    Attack(
        what="ask the zygote for another interpreter, on every descriptor",
        stopped_by=Layer.DESCRIPTORS,
        code="""
            import array, socket
            def send(fd):
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 6))]
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd) as channel:
                    channel.sendmsg([b'{"id": 1, "rlimits": {}}'], rights)
            sorted({attempt(send, fd) for fd in range(64)})
        """,
        answers=[["EBADF", "ENOTSOCK"]],
    ),
    Attack(
        what="find the zygote among all numbers of processes",
        stopped_by=Layer.NAMESPACES,
        code="[pid for pid in range(1, 1 << 15) if attempt(os.kill, pid, 0) != 'ESRCH'] == [1, os.getpid()]",
        answers=[True],
    ),
    Attack(
        what="find its own key in the memory that was copied from the zygote",
        stopped_by=Layer.ZYGOTE,
        code=f"""
            first, second = {ATTACKER[:8].encode()!r}, {ATTACKER[8:].encode()!r}
            hits, searched = 0, 0
            with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
                for line in maps.readlines():
                    at, end = (int(edge, 16) for edge in line.split()[0].split("-"))
                    try:
                        pieces = os.pread(memory.fileno(), end - at, at).split(first)
                    except (OSError, OverflowError):
                        continue
                    searched += end - at
                    hits += sum(piece.startswith(second) for piece in pieces[1:])
            [hits, searched > 1 << 22]
        """,
        answers=[[0, True]],
    ),
    Attack(
        what="find the zygote's folders, its environment or its files for a moment",
        stopped_by=Layer.ZYGOTE,
        code="""
            import locale, tempfile
            told = {name: os.environ.get(name) for name in ("HOME", "TMPDIR", "LANG", "PYTHONPATH")}
            [os.getcwd(), tempfile.gettempdir(), os.listdir("/tmp"), os.listdir("/dev/shm"), list(told.values())]
        """,
        answers=[["/mnt/data", "/tmp", [], [], ["/home/user", "/tmp", "C.UTF-8", None]]],
    ),
)


@tried(ATTACKS)
async def test_zygote(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@pytest.fixture(scope="module")
def imported(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A server whose zygote has packages imported."""
    with another(stand, tmp_path_factory.mktemp("imported"), preimport=("numpy", "IPython", "ssl")) as made:
        yield made


_DRAWS = """
import numpy, random, secrets, ssl, tempfile, uuid
from multiprocessing import current_process
[
    float(numpy.random.random()), float(numpy.random.default_rng().random()), random.random(), secrets.token_hex(),
    uuid.uuid4().hex, tempfile.mktemp(), ssl.RAND_bytes(16), os.urandom(16), bytes(current_process().authkey),
]
"""


@attack("draw the random numbers that a neighbour draws", Layer.ZYGOTE)
async def test_random_numbers_differ(stand: Stand, imported: Stand) -> None:
    async with stand.unharmed(), imported.client() as client:
        draws = [await ask(client, _DRAWS) for _ in range(3)]
    assert [len(set(drawn)) for drawn in zip(*draws, strict=True)] == [3] * 9


_LAYOUT = """
import ctypes
auxiliary = open("/proc/self/auxv", "rb").read()
pairs = [auxiliary[at : at + 16] for at in range(0, len(auxiliary), 16)]
AT_RANDOM = 25  # what the canaries of stacks and the guards of pointers are made of
at_random = next(int.from_bytes(pair[8:], "little") for pair in pairs if pair[0] == AT_RANDOM)
[id(object()) >> 20, hash("x"), ctypes.string_at(at_random, 16), ctypes.cast(_libc.getpid, ctypes.c_void_p).value]
"""


@attack("use the addresses, hashes and stack canaries of one zygote's sandboxes in those of the next", Layer.ZYGOTE)
async def test_a_new_zygote_is_laid_out_anew(stand: Stand, tmp_path: Path) -> None:
    async with stand.unharmed():
        others = set(named("insitu-zygote"))
        with another(stand, tmp_path) as own:
            async with own.client() as client, client.session() as session:
                before = await ask(session, _LAYOUT)
                (zygote,) = set(named("insitu-zygote")) - others
                os.kill(zygote, signal.SIGKILL)
                await_ends([zygote])
                after = await ask(client, _LAYOUT)
                assert await ask(session, _LAYOUT) == before
    assert [old == new for old, new in zip(before, after, strict=True)] == [False] * 4


_CODE_OF_LIBC = """
import ctypes
at = ctypes.cast(_libc.getsid, ctypes.c_void_p).value
"""
_POISON = f"""
{_CODE_OF_LIBC}
start = at & ~4095
assert _libc.mprotect(ctypes.c_void_p(start), 8192, 7) == 0
ctypes.memset(at, 0xCC, 8)
seven = int("7")
ctypes.memset(id(seven) + 24, 8, 1)
[ctypes.string_at(at, 8) == b"\\xcc" * 8, int("7") - 1]
"""


@attack("change the numbers and the code that all sandboxes have copies of", Layer.ZYGOTE)
async def test_copies_are_their_owners_alone(stand: Stand) -> None:
    look = f"{_CODE_OF_LIBC}[ctypes.string_at(at, 8), int('7') - 1]"
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        before = await ask(client, look)
        assert await ask(session, _POISON) == [True, 8]
        assert await ask(client, look) == before
        assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        assert await ask(session, look) == before


@attack("be copied while a thread of the zygote holds a lock", Layer.ZYGOTE)
async def test_the_zygote_has_one_thread(stand: Stand, imported: Stand) -> None:
    code = """
        import numpy, threading
        numpy.ones((300, 300)) @ numpy.ones((300, 300))
        [len(os.listdir("/proc/self/task")), threading.active_count(), os.environ["OPENBLAS_NUM_THREADS"]]
    """
    async with stand.unharmed(), imported.client() as client:
        assert await ask(client, code) == [1, 1, "1"]


@attack("have its copies of the zygote's memory charged to others", Layer.CGROUPS)
async def test_copies_are_charged_to_who_makes_them(stand: Stand, imported: Stand) -> None:
    if Layer.CGROUPS in stand.lacking:
        pytest.skip("without control groups there are no charges")
    code = """
        import gc
        def copied():
            rollup = open("/proc/self/smaps_rollup").read()
            return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty:")) << 10
        before = copied()
        gc.unfreeze()
        everything = gc.get_objects() * 2
        copied() - before
    """
    async with stand.unharmed(), imported.client() as client:
        execution = await client.run(program(code))
    assert execution.usage.peak_memory_bytes is not None
    assert execution.usage.peak_memory_bytes >= int(execution.text) > 4 << 20


@attack("claim layers that it does not have, as an interpreter that has just started", Layer.HOST)
async def test_layers_are_not_claimed(stand: Stand) -> None:
    code = """
        import json, struct
        ready = json.dumps({"layers": {"seccomp": "off", "landlock": "abi 99", "mine": "x"}, "pid": 1}).encode()
        os.write(3, struct.pack("<IBI", len(ready) + 4, 16, len(ready)) + ready) == len(ready) + 9
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        before = (await session.info()).layers
        assert await ask(session, code) is True
        assert (await session.info()).layers == before


@attack("have the zygote killed for the memory that its copy uses up", Layer.CGROUPS)
async def test_the_zygote_outlives_who_runs_out_of_memory(stand: Stand) -> None:
    before = named("insitu-zygote")
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for _ in range(2):
            execution = await session.run("kept = [bytearray(1 << 20) for _ in range(1000)]", timeout_s=10)
            assert execution.outcome == ("error" if Layer.CGROUPS in stand.lacking else "out_of_memory"), execution
        assert await ask(session, "1 + 1") == 2
    assert named("insitu-zygote") == before


@attack("read what the one before has typed, was warned of or has failed with", Layer.ZYGOTE)
async def test_histories_are_of_one_interpreter(stand: Stand, imported: Stand) -> None:
    leave = "import warnings; secret_of_old = 1; warnings.warn('secret_of_old'); secret_of_old / 0"
    look = """
        import linecache, sys, warnings
        kept = [linecache.cache, In, Out, warnings.filters, globals().get("__warningregistry__"), dir(sys)]
        kept += [list(get_ipython().history_manager.get_tail(99)), get_ipython().history_manager.hist_file]
        ["secret_" + "of_old" in repr(kept), kept[-1]]
    """
    async with stand.unharmed(), imported.client() as client, client.session() as session:
        assert (await session.run(leave)).outcome == "error"
        assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        assert await ask(session, look) == await ask(client, look) == [False, ":memory:"]


@attack("end its interpreter again and again, so that the zygote does nothing but fork", Layer.ZYGOTE)
async def test_a_storm_of_ends(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        ends = [(await session.run("import os; os.kill(os.getpid(), 9)")).outcome for _ in range(10)]
        assert ends == ["crashed"] * 10
        assert await ask(session, "1 + 1") == 2


@attack("ask for more interpreters at once than the server has room for", Layer.API)
async def test_a_storm_of_requests(stand: Stand, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    async def run(own: Stand) -> None:
        async with own.client() as client:
            try:
                outcomes[(await client.run("import time; time.sleep(0.3)")).outcome] += 1
            except InsituError as error:
                outcomes[error.code] += 1

    async with stand.unharmed():
        with another(stand, tmp_path, max_executions=2, queue_size=2) as own:
            async with anyio.create_task_group() as tasks:
                for _ in range(12):
                    tasks.start_soon(run, own)
    assert (set(outcomes), outcomes.total()) == ({"ok", "server_full"}, 12)
    assert outcomes["ok"] >= 4
