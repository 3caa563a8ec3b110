"""Ends: of the time that code has, of the interpreter, and what it makes of what comes after."""

from __future__ import annotations

from tests.attacks.asking import ask, assert_agent_serves, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

SHORT = {"timeout_s": 0.3}

HELD = (
    Attack(
        what="hold Python's one lock in C code for longer than the grace lasts",
        stopped_by=Layer.CLOCK,
        code="_ctypes.PyDLL(None).sleep(1000)",
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="go on in another thread after the first one is dead",
        stopped_by=Layer.CLOCK,
        code="""
        import threading
        def go_on():
            while True: pass
        threading.Thread(target=go_on).start()
        syscall("exit", 0)
        """,
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="die with all its threads, one after the other, without ending the process",
        stopped_by=Layer.HOST,
        code="syscall('exit', 0)",
        ends=["crashed"],
        options=SHORT,
    ),
    Attack(
        what="have a thread wake up the main one as often as it is interrupted",
        stopped_by=Layer.HOST,
        code="""
        import threading
        def awake():
            while True:
                try:
                    while True: pass
                except BaseException: pass
        def again():
            while True:
                _ctypes.pythonapi.PyThreadState_SetAsyncExc(_ctypes.c_ulong(main), _ctypes.py_object(KeyError))
        main = threading.get_ident()
        threading.Thread(target=again, daemon=True).start()
        awake()
        """,
        ends=["error", "timeout", "crashed"],
        options=SHORT,
    ),
    Attack(
        what="turn back every clock that Python has",
        stopped_by=Layer.CLOCK,
        code="""
        import time
        for name in ("time", "monotonic", "perf_counter", "process_time", "sleep"): setattr(time, name, lambda *_: 0)
        settings = [attempt(time.clock_settime, clock, 0.0) for clock in (time.CLOCK_REALTIME, 7, 11)]
        print(set(settings) <= {"EPERM", "EINVAL"}, flush=True)
        while time.time() < 1: time.sleep(1)
        """,
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="become another program that keeps the way to the server",
        stopped_by=Layer.CLOCK,
        code="""
        for number in os.listdir("/proc/self/fd"): attempt(os.set_inheritable, int(number), True)
        os.execvp("sleep", ["sleep", "1000"])
        """,
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="become another program that ends well",
        stopped_by=Layer.HOST,
        code="os.execvp('true', ['true'])",
        ends=["crashed"],
    ),
    Attack(
        what="become another program that speaks to the server in the interpreter's place",
        stopped_by=Layer.HOST,
        code="""
        for number in os.listdir("/proc/self/fd"): attempt(os.set_inheritable, int(number), True)
        os.execvp("bash", ["bash", "-c", "yes >&3"])
        """,
        ends=["crashed"],
    ),
    Attack(
        what="sleep in the runner itself, by what Python calls at every step of it",
        stopped_by=Layer.CLOCK,
        code="""
        import sys, threading, time
        def stall(frame, event, argument): time.sleep(0.05)
        threading.setprofile(stall)
        sys.setprofile(stall)
        """,
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="come back out of the interpreter into the code of the zygote, past an exit that does not exit",
        stopped_by=Layer.HOST,
        code="""
        import sys
        os._exit = lambda *_: None
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()) if module and "insitu" in module.__name__ else ():
                if callable(value) and not isinstance(value, type): attempt(setattr, module, name, None)
        """,
        ends=["crashed"],
        options=SHORT,
    ),
    Attack(
        what="be a process that collects garbage for ever once its code is over",
        stopped_by=Layer.CLOCK,
        code="""
        import gc, time
        gc.callbacks.append(lambda *_: time.sleep(1000))
        gc.set_threshold(1, 1, 1)
        """,
        ends=["timeout"],
        options=SHORT,
    ),
    Attack(
        what="have a child die of memory and call it its own end",
        stopped_by=Layer.HOST,
        code="""
        if (child := os.fork()) == 0:
            hoard = []
            try:
                while True: hoard.append(bytearray(8 << 20))
            finally: os._exit(9)
        how = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        how in (9, -9)
        """,
        answers=[True],
        options={"timeout_s": 5},
    ),
    Attack(
        what="end by each signal that there is, each in a child, and tell of none",
        stopped_by=Layer.HOST,
        code="""
        ends = set()
        for number in set(range(1, 65)) - {17, 18, 19, 20, 21, 22, 23, 28, 32, 33}:
            if (child := os.fork()) == 0:
                __import__("signal").signal(number, 0) if number != 9 else None
                os.kill(os.getpid(), number)
                os._exit(0)
            ends.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number)
        ends
        """,
        answers=[{True}],
        options={"timeout_s": 5},
    ),
)


@tried(HELD)
async def test_ends(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("hold an interrupt back until the next execution", Layer.HOST)
async def test_an_interrupt_that_is_held_back_hits_its_holder(stand: Stand) -> None:
    hold = """
        import signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        kept = 1
        try: signal.sigtimedwait([40], 0.4)
        except BaseException: pass
        """
    release = "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])"
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert (await session.run(program(hold), timeout_s=0.3)).outcome == "timeout"
        released = await session.run(release)
        assert released.error is not None
        assert (released.outcome, released.error.name) == ("error", "KeyboardInterrupt")
        assert (await session.run("while True: pass", timeout_s=0.3)).outcome == "timeout"
        assert await ask(session, "kept") == 1


@attack("leave behind threads, handlers and hooks that spoil whatever runs next", Layer.CLOCK)
async def test_a_spoilt_interpreter_costs_its_own_session_a_restart(stand: Stand) -> None:
    spoil = """
        import atexit, builtins, gc, signal, sys, threading
        def busy():
            while True: pass
        for _ in range(8): threading.Thread(target=busy, daemon=True).start()
        sys.setrecursionlimit(120)
        sys.setswitchinterval(100)
        signal.signal(signal.SIGINT, lambda *_: None)
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await session.files.write("kept", b"kept")
        assert (await session.run(program(spoil), timeout_s=0.3)).outcome in ("timeout", "error")
        # It may have been interrupted before it had begun, or not in time.
        assert {(await session.run("1 + 1", timeout_s=0.3)).outcome for _ in range(2)} <= {"ok", "timeout"}
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)
        assert await session.files.read("kept") == b"kept"


@attack("shut its ear, so that it never hears the next request", Layer.CLOCK)
async def test_who_does_not_listen_is_replaced(stand: Stand) -> None:
    deafen = """
        null = os.open("/dev/null", os.O_RDONLY)
        for ear in range(4, null): attempt(os.dup2, null, ear)
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await ask(session, "kept = 1; kept")
        assert (await session.run(program(deafen))).outcome == "ok"
        # That it is gone is noticed in the moment between two executions, or at the next.
        assert (await session.run("1")).outcome in ("ok", "crashed")
        assert await ask(session, "'kept' in globals()") is False
        await assert_agent_serves(session)


@attack("die in the moment between two executions, again and again", Layer.HOST)
async def test_who_dies_between_two_executions_is_replaced(stand: Stand) -> None:
    late = """
        import signal, threading
        threading.Thread(target=lambda: (threading.Event().wait(0.02), os.kill(os.getpid(), 9)), daemon=True).start()
        """
    async with stand.unharmed(10), stand.client() as client, client.session() as session:
        for _ in range(6):
            assert (await session.run(program(late))).outcome in ("ok", "crashed")
            assert (await session.run("1")).outcome in ("ok", "crashed")
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)


@attack(
    "spoil what the next interpreter of its session finds: variables, start-up files, modules by every name",
    Layer.ZYGOTE,
)
async def test_what_is_planted_runs_in_nobody_who_is_not_locked_down(stand: Stand) -> None:
    plant = """
        seen = "import os; os.write(os.open('/tmp/seen', os.O_CREAT | os.O_WRONLY | os.O_APPEND), " \\
               "open('/proc/self/status', 'rb').read())\\n"
        names = {"insitu", "insitu_guest", "numpy", "IPython", "sitecustomize", "usercustomize"}
        names |= sys.stdlib_module_names
        for name in names: open(f"/mnt/data/{name}.py", "w").write(seen)
        for name in (".bashrc", ".profile", ".pythonrc", ".inputrc"): open(f"/home/user/{name}", "w").write("x")
        for path in ("/tmp/.ipython/profile_default/startup", "/tmp/.matplotlib", "/tmp/.config/matplotlib"):
            os.makedirs(path)
            open(f"{path}/0.py", "w").write(seen); open(f"{path}/matplotlibrc", "w").write("backend: seen")
        site = "/home/user/.local/lib/python%d.%d/site-packages" % sys.version_info[:2]
        os.makedirs(site); open(f"{site}/x.pth", "w").write(seen)
        os._exit(0)
        """
    variables = {
        "BASH_ENV": "/mnt/data/json.py",
        "ENV": "/mnt/data/json.py",
        "GCONV_PATH": "/mnt/data",
        "LD_AUDIT": "/mnt/data/json.py",
        "LD_LIBRARY_PATH": "/mnt/data",
        "LD_PRELOAD": "/mnt/data/json.py",
        "LOCPATH": "/mnt/data",
        "PYTHONHOME": "/mnt/data",
        "PYTHONPATH": "/mnt/data",
        "PYTHONSTARTUP": "/mnt/data/json.py",
    }
    async with stand.unharmed(10), stand.client() as client, client.session(env_vars=variables) as session:
        assert (await session.run(program(plant), timeout_s=5)).outcome == "crashed"
        assert (await session.run("1 + 1")).text == "2"
        assert (await session.run("!true")).outcome in ("ok", "error")
        assert len(await session.files.list()) > 100
        # What was planted is found where code asks for it, and by nobody who is not behind the whole wall.
        tell = "import wave\ntext = open('/tmp/seen').read()\n"
        tell += "[text.count(word) for word in ('Name:', 'Seccomp:\\t2', 'Uid:\\t1000\\t1000\\t1000\\t1000')]"
        seen, filtered, of_the_user = await ask(session, tell)
        assert seen == filtered == of_the_user > 0
        # Who has spoilt its workspace can have it whole again.
        for info in await session.files.list():
            await session.files.delete(info.path)
        for info in await session.files.list():
            await session.files.delete(info.path)
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)
