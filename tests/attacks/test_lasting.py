"""Processes that are to outlive the code, and what they do to whatever runs next."""

from __future__ import annotations

from contextlib import aclosing

from tests.attacks.asking import ALONE, ask, assert_agent_serves, assert_others_work, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

LASTING = (
    Attack(
        what="leave a daemon behind that no signal but one ends",
        stopped_by=Layer.NAMESPACES,
        code="""
        import signal
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork(): os._exit(0)
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
                while True: attempt(os.read, 0, 1) or signal.sigtimedwait([], 1)
        "gone"
        """,
        answers=["gone"],
    ),
    Attack(
        what="leave a daemon behind that holds its output open and writes there for ever",
        stopped_by=Layer.HOST,
        code="""
        if os.fork() == 0:
            os.setsid()
            while True: attempt(os.write, 1, bytes(4096)) and attempt(os.write, 2, bytes(4096))
        "gone"
        """,
        answers=["gone"],
    ),
    Attack(
        what="leave programs behind by a shell",
        stopped_by=Layer.NAMESPACES,
        code="""
        !setsid sleep 1000 & nohup sleep 1001 >/dev/null 2>&1 & (trap '' HUP INT TERM; sleep 1002 & disown) & disown -a
        sum(name.isdigit() for name in os.listdir("/proc")) >= 5
        """,
        answers=[True],
    ),
    Attack(
        what="leave threads behind that never end",
        stopped_by=Layer.NAMESPACES,
        code="""
        import threading, time
        for _ in range(5): threading.Thread(target=time.sleep, args=[1000]).start()
        "gone"
        """,
        answers=["gone"],
    ),
    Attack(
        what="hang in what runs at the end",
        stopped_by=Layer.NAMESPACES,
        code="""
        import atexit, sys, threading, time, weakref
        class Sticky:
            def __del__(self): time.sleep(1000)
        sticky = Sticky()
        atexit.register(time.sleep, 1000)
        threading._register_atexit(time.sleep, 1000)
        weakref.finalize(sticky, time.sleep, 1000)
        sys.exit()
        """,
        ends=["ok"],
    ),
    Attack(
        what="end itself before the server is told of it, as if all were well",
        stopped_by=Layer.HOST,
        code="print('fine', flush=True); os._exit(0)",
        ends=["crashed"],
    ),
    Attack(
        what="die while its child keeps the way to the server open",
        stopped_by=Layer.HOST,
        code="""
        import time
        if os.fork() == 0: time.sleep(1000)
        os._exit(0)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="end with a list of locks that has no end",
        stopped_by=Layer.NAMESPACES,
        code="""
        import struct
        node = _ctypes.create_string_buffer(24)
        endless = _ctypes.addressof(node)
        node.raw = struct.pack("PnP", endless, 0, endless)
        def leave(first, offset):
            if os.fork() == 0:
                head = _ctypes.create_string_buffer(struct.pack("PnP", first, offset, first), 24)
                os._exit(syscall("set_robust_list", head, 24) != "went through")
            return os.wait()[1]
        [leave(endless, 0), leave(endless, 8), leave(endless, -endless), leave(1, 0), leave(0xFFFF888000000000, 0)]
        """,
        answers=[[0] * 5],
    ),
)


@tried(LASTING)
async def test_lasting(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("outlive a cancelled execution as its grandchild", Layer.AGENT)
async def test_who_is_killed_takes_its_grandchildren_along(stand: Stand) -> None:
    stay = """
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork(): os._exit(0)
                while True: signal.sigtimedwait([], 1000)
        print("in", flush=True)
        while True: signal.sigtimedwait([], 1000)
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        execution = await session.run(program(stay), on_stdout=lambda text: session.interrupt(), timeout_s=20)
        assert (execution.outcome, execution.state_kept) == ("cancelled", False)
        assert await ask(session, ALONE) == "alone"


@attack("go on when its caller has hung up", Layer.HOST)
async def test_who_is_left_alone_is_ended(stand: Stand) -> None:
    code = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nos.fork()\nprint('in', flush=True)\n"
    code += "while True: signal.sigtimedwait([], 1000)"
    async with stand.unharmed(), stand.client() as client:
        async with aclosing(client.stream(program(code), timeout_s=60)) as events:
            async for event in events:
                if event.kind == "stdout":
                    break


@attack("flood the output of the executions that come after it", Layer.HOST)
async def test_a_daemons_flood_holds_up_nobody(stand: Stand) -> None:
    flood = """
        if os.fork() == 0:
            os.setsid()
            while True: attempt(os.write, 1, bytes(1 << 16)), attempt(os.write, 2, bytes(1 << 16))
        1
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await ask(session, flood)
        await assert_agent_serves(session)
        await assert_others_work(stand)


@attack("steal what the server sends to the interpreter", Layer.HOST)
async def test_a_thief_of_requests_harms_itself_alone(stand: Stand) -> None:
    steal = """
        if os.fork() == 0:
            os.setsid()
            while True: attempt(os.read, 3, 1 << 16)
        1
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await ask(session, steal)
        for _ in range(4):
            execution = await session.run("1", timeout_s=0.2)
            assert execution.outcome in ("ok", "timeout", "crashed")
            if not execution.state_kept:
                break
        assert (await session.run("import os; os._exit(0)")).outcome in ("crashed", "timeout")
        await assert_agent_serves(session)
