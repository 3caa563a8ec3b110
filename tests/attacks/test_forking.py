"""Forks and threads without end."""

from __future__ import annotations

import anyio

from tests.attacks.asking import ALONE, ask, assert_agent_serves, assert_others_work, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

BOMBS = (
    Attack(
        what="fork without end, every child as well",
        stopped_by=Layer.CGROUPS,
        code="while True: os.fork()",
        ends=["error"],
        options={"processes": 16, "timeout_s": 5},
    ),
    Attack(
        what="fork without end, and wherever it is refused, try again",
        stopped_by=Layer.CGROUPS,
        code="while True: attempt(os.fork)",
        ends=["timeout"],
        options={"processes": 16, "timeout_s": 0.3},
    ),
    Attack(
        what="start threads without end",
        stopped_by=Layer.CGROUPS,
        code="""
        import threading
        count, stop = 0, threading.Event()
        while (how := attempt(threading.Thread(target=stop.wait, daemon=True).start)) == "went through": count += 1
        [how, count <= 32]
        """,
        answers=[["RuntimeError", True]],
    ),
    Attack(
        what="leave the agent more dead orphans than there may be processes",
        stopped_by=Layer.AGENT,
        code="""
        import time
        def orphan():
            while (child := fork()) is None: time.sleep(0.001)  # the agent has yet to bury those before
            if child == 0:
                while fork() is None: time.sleep(0.001)
                os._exit(0)
            os.waitpid(child, 0)
        def fork():
            try: return os.fork()
            except BlockingIOError: return None
        for _ in range(40): orphan()
        "buried"
        """,
        answers=["buried"],
        options={"timeout_s": 10},
    ),
)


@tried(BOMBS)
async def test_forking(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("run away, by forking, from the end of all processes", Layer.AGENT)
async def test_nobody_escapes_the_sweep_by_forking(stand: Stand) -> None:
    flight = """
        import time
        for _ in range(4):
            if os.fork() == 0:
                os.setsid()
                while True:
                    if attempt(os.fork) == "went through" and os.fork(): os._exit(0)
        time.sleep(0.05)
        os._exit(0)
    """
    async with stand.unharmed(10), stand.client() as client, client.session(timeout_s=10) as session:
        for _ in range(3):
            assert (await session.run(program(flight))).outcome == "crashed"
            assert await ask(session, ALONE) == "alone"


@attack("keep the next interpreter from starting, by taking every place for a process", Layer.AGENT)
async def test_places_for_processes_are_swept(stand: Stand) -> None:
    take = """
        import signal
        def stay():
            if os.fork() == 0:
                while True: signal.pause()
        while attempt(stay) == "went through": pass
        os._exit(0)
    """
    async with stand.unharmed(10), stand.client() as client, client.session(timeout_s=10) as session:
        assert (await session.run(program(take))).outcome == "crashed"
        assert await ask(session, ALONE) == "alone"


@attack("starve the agent of processor time", Layer.CGROUPS)
async def test_an_agent_beside_spinning_processes_serves(stand: Stand) -> None:
    spin = """
        for _ in range(8):
            if os.fork() == 0:
                os.setsid()
                while True: pass
        1
    """
    async with stand.unharmed(10), stand.client() as client, client.session(timeout_s=20) as session:
        await ask(session, spin)
        with anyio.fail_after(10):
            await assert_agent_serves(session)
            await assert_others_work(stand)
