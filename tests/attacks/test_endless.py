"""Not ending at all, whatever is said: time, interrupts and timers."""

from __future__ import annotations

import anyio

from tests.attacks.asking import ask, assert_agent_serves, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

ENDLESS = (
    Attack(
        what="catch every exception and go on",
        stopped_by=Layer.CLOCK,
        code="""
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="block and ignore every signal",
        stopped_by=Layer.CLOCK,
        code="""
        import signal, time
        for number in set(range(1, 65)) - {9, 19, 32, 33}: signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        time.sleep(1000)
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="stop itself",
        stopped_by=Layer.CLOCK,
        code="os.kill(os.getpid(), 19)",
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="stop all its processes, itself last",
        stopped_by=Layer.CLOCK,
        code="""
        import subprocess
        children = [subprocess.Popen(["sleep", "1000"], start_new_session=bool(n % 2)) for n in range(6)]
        os.kill(-1, 19)
        os.kill(0, 19)
        """,
        ends=["timeout"],
        options={"timeout_s": 0.4},
    ),
    Attack(
        what="wait for a child that never ends",
        stopped_by=Layer.CLOCK,
        code="""
        import signal
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            while True: signal.pause()
        while True: attempt(os.waitid, os.P_ALL, 0, os.WEXITED)
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="hang in a vfork, where all signals but one are blocked",
        stopped_by=Layer.CLOCK,
        code="""
        os.mkfifo("/tmp/never")
        opened = [(os.POSIX_SPAWN_OPEN, 5, "/tmp/never", os.O_RDONLY, 0)]
        os.posix_spawn("/usr/bin/true", ["true"], {}, file_actions=opened)
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="fault for ever in a handler of its faults",
        stopped_by=Layer.CLOCK,
        code="""
        import signal
        signal.signal(signal.SIGSEGV, lambda *_: None)
        _ctypes.string_at(0)
        """,
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
    Attack(
        what="fault with the signal ignored and blocked, on a stack that is nowhere",
        stopped_by=Layer.HOST,
        code="""
        import signal, struct
        syscall("sigaltstack", struct.pack("PiN", 4096, 0, 1 << 16), None)
        signal.signal(signal.SIGSEGV, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSEGV])
        _ctypes.string_at(0)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="have a shell stop itself",
        stopped_by=Layer.CLOCK,
        code="!trap '' INT TERM HUP; sleep 1000 & kill -STOP $$",
        ends=["timeout"],
        options={"timeout_s": 0.3},
    ),
)


@tried(ENDLESS)
async def test_endless(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


INTERRUPTED = (
    Attack(
        what="swallow an interrupt",
        stopped_by=Layer.CLOCK,
        code="""
        print("in", flush=True)
        while True:
            try:
                while True: pass
            except KeyboardInterrupt: pass
        """,
    ),
    Attack(
        what="be deaf to an interrupt",
        stopped_by=Layer.CLOCK,
        code="""
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("in", flush=True)
        time.sleep(1000)
        """,
    ),
    Attack(
        what="never come back from the handler of an interrupt",
        stopped_by=Layer.CLOCK,
        code="""
        import signal, time
        signal.signal(signal.SIGINT, lambda *_: time.sleep(1000))
        print("in", flush=True)
        time.sleep(1000)
        """,
    ),
    Attack(
        what="have another thread take the interrupt",
        stopped_by=Layer.CLOCK,
        code="""
        import signal, threading, time
        def take():
            while True: signal.sigwait([signal.SIGINT])
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        threading.Thread(target=take, daemon=True).start()
        print("in", flush=True)
        time.sleep(1000)
        """,
    ),
    Attack(
        what="be stopped when the interrupt comes",
        stopped_by=Layer.CLOCK,
        code="print('in', flush=True)\nos.kill(os.getpid(), 19)",
    ),
    Attack(
        what="be in another group and session than the interrupt's, waiting for a child in a third",
        stopped_by=Layer.HOST,
        code="""
        import signal
        child = os.fork()
        if child == 0:
            attempt(os.setsid)  # whose parent may have made it the first of a group already
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            while True: signal.pause()
        attempt(os.setpgid, child, child)
        attempt(os.setsid)
        print("in", flush=True)
        os.waitpid(child, 0)
        """,
    ),
    Attack(
        what="die of something else at the moment of the interrupt",
        stopped_by=Layer.HOST,
        code="""
        import signal
        signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), 11))
        print("in", flush=True)
        while True: pass
        """,
    ),
)


@tried(INTERRUPTED)
async def test_an_interrupt_ends_it(stand: Stand, attack: Attack) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        execution = await session.run(attack.program, on_stdout=lambda text: session.interrupt(), timeout_s=20)
        assert execution.outcome == "cancelled"
        await assert_agent_serves(session)


@attack("raise exceptions in the runner between two cells, out of the handlers of timers", Layer.HOST)
async def test_a_storm_of_timers_harms_itself_alone(stand: Stand) -> None:
    storm = """
        import signal
        def thunder(*_): raise SystemExit
        for timer, number in ((0, signal.SIGALRM), (1, signal.SIGVTALRM), (2, signal.SIGPROF)):
            signal.signal(number, thunder)
            signal.setitimer(timer, 1e-4, 1e-4)
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for code in (program(storm), "1", "import os; os._exit(0)"):
            assert (await session.run(code)).outcome in ("ok", "error", "crashed")
        execution = await session.run("import os; os._exit(0)")
        assert execution.outcome in ("ok", "error", "crashed")
        await assert_agent_serves(session)


@attack("be interrupted at the very moment of its death, so that the signal meets another", Layer.HOST)
async def test_a_signal_never_meets_another_process(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session, client.session() as other:
        await ask(other, "kept = 1; kept")
        for _ in range(8):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.run, "import os; os._exit(0)")
                for _ in range(3):
                    tasks.start_soon(session.interrupt)
        assert await ask(other, "kept") == 1
        await assert_agent_serves(session)
