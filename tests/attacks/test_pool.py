"""Sandboxes that are made ahead: nobody meets one that somebody else had, nor what was rehearsed in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from tests.attacks.asking import ask, program
from tests.attacks.attack import Layer, attack
from tests.attacks.stand import ATTACKER, NEIGHBOUR, SETTINGS, Stand, stand_at

# All that one could leave for the next, and all that one could find.
LEAVE = """
    import builtins, subprocess, sys
    builtins.left = sys.left = left = 1
    os.environ["LEFT"] = "1"
    for folder in ("/mnt/data", "/tmp", "/dev/shm"): open(f"{folder}/left", "w").write("left")
    _libc.shmget(77, 4096, 0o1666), _libc.msgget(77, 0o1666), _libc.semget(77, 1, 0o1666)
    _libc.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    1
    """
FIND = """
    import builtins, linecache, sys, threading
    folders = [os.listdir(folder) for folder in ("/mnt/data", "/home/user", "/tmp", "/dev/shm")]
    marks = [hasattr(builtins, "left"), hasattr(sys, "left"), "left" in globals(), "LEFT" in os.environ]
    queues = [_libc.shmget(77, 0, 0), _libc.msgget(77, 0), _libc.semget(77, 0, 0), _libc.mq_open(b"/left", os.O_RDWR)]
    [folders, marks, queues, sum(name.isdigit() for name in os.listdir("/proc")), threading.active_count()]
    """
NOTHING = [[[], [], [], []], [False] * 4, [-1] * 4, 2, 1]


@contextmanager
def pooled(stand: Stand, folder: Path, size: int = 2) -> Iterator[Stand]:
    """A server like the stand's, with a pool."""
    own = {"pool_size": size, "data_dir": folder, "allow_degraded": Layer.LANDLOCK in stand.lacking}
    with stand_at(SETTINGS.model_copy(update=own), stand.lacking) as made:
        yield made


@attack("meet a sandbox of the pool that somebody else has used", Layer.NAMESPACES)
async def test_no_sandbox_is_used_twice(stand: Stand, tmp_path: Path) -> None:
    async with stand.unharmed(10):
        with pooled(stand, tmp_path) as pool:
            async with pool.client(NEIGHBOUR) as neighbour, pool.client(ATTACKER) as client:
                for _ in range(4):
                    assert await ask(neighbour, LEAVE) == 1
                    async with neighbour.session() as session:
                        assert await ask(session, LEAVE) == 1
                    assert await ask(client, FIND) == NOTHING
                    async with client.session() as session:
                        assert await ask(session, FIND) == NOTHING


@attack("find what was rehearsed in its sandbox", Layer.ZYGOTE)
async def test_a_rehearsal_leaves_no_trace(stand: Stand, tmp_path: Path) -> None:
    look = """
        import linecache
        own = {"os", "sys", "attempt", "syscall", "linecache", "own"}
        names = {name for name in globals() if not name.startswith("_") and name not in own}
        cells = [name for name in linecache.cache if name.startswith("<cell")]
        [names, len(In), Out, _, __, cells, os.times().children_user, os.getcwd(),
         os.listdir("/proc/self/task") == [str(os.getpid())]]
        """
    async with stand.unharmed(10):
        with pooled(stand, tmp_path, 1) as pool:
            async with pool.client() as client:
                answers = [await ask(client, look) for _ in range(5)]
    names = {"In", "Out", "exit", "quit", "get_ipython"}
    for found, inputs, outputs, last, before, cells, children_s, folder, alone in answers:
        assert found <= names
        assert (inputs, outputs, last, before, cells) == (2, {}, "", "", ["<cell 1>"])
        assert (children_s, folder, alone) == (0.0, "/mnt/data", True)


@attack("die in the first moments of its sandbox, again and again, so that the pool runs dry", Layer.HOST)
async def test_a_pool_outlives_who_dies_at_once(stand: Stand, tmp_path: Path) -> None:
    deaths = ("os.kill(0, 9)", "os._exit(0)", "os.kill(-1, 19), os.kill(os.getpid(), 9)", "os.close(3), os.abort()")
    async with stand.unharmed(10):
        with pooled(stand, tmp_path, 3) as pool:
            async with pool.client() as client, anyio.create_task_group() as tasks:
                for death in deaths * 3:
                    tasks.start_soon(client.run, program(death))
            async with pool.client(NEIGHBOUR) as neighbour:
                assert await ask(neighbour, FIND) == NOTHING
                assert (await neighbour.health())["status"] == "ok"


@attack("leave in the moment in which its sandbox is taken from the pool", Layer.HOST)
async def test_who_leaves_at_once_keeps_no_sandbox(stand: Stand, tmp_path: Path) -> None:
    async with stand.unharmed(10):
        with pooled(stand, tmp_path) as pool:
            async with pool.client() as client:
                for step in range(30):
                    with anyio.move_on_after(step * 0.0004):
                        await client.run("import time; time.sleep(1000)")
            async with pool.client(NEIGHBOUR) as neighbour:
                assert await ask(neighbour, FIND) == NOTHING
                assert await neighbour.sessions() == []
