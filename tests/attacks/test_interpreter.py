"""Code that breaks, replaces or misuses the interpreter that runs it."""

from __future__ import annotations

from textwrap import dedent

from tests.attacks.asking import ask, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

QUICKLY = {"timeout_s": 0.4}

SEGMENTATION_FAULTS = (
    Attack(
        what="recurse in C without a limit",
        stopped_by=Layer.HOST,
        code="sys.setrecursionlimit(10**9)\ndef down(): list(map(lambda _: down(), [0]))\ndown()",
        ends=["crashed"],
        options={"timeout_s": 5},
    ),
    Attack(
        what="read at address zero",
        stopped_by=Layer.HOST,
        code="_ctypes.string_at(0)",
        ends=["crashed"],
    ),
    Attack(
        what="run byte code that no compiler makes",
        stopped_by=Layer.HOST,
        code="code = (lambda: 0).__code__\nexec(code.replace(co_code=bytes([100, 255]) * 4, co_consts=()))",
        ends=["crashed"],
    ),
    Attack(
        what="have faulthandler crash the interpreter",
        stopped_by=Layer.HOST,
        code="import faulthandler\nfaulthandler._sigsegv()",
        ends=["crashed"],
    ),
)
ABORTS = (
    Attack(
        what="abort, and leave the memory as a file",
        stopped_by=Layer.RLIMITS,
        code="import resource\nattempt(resource.setrlimit, resource.RLIMIT_CORE, (-1, -1))\nos.abort()",
        ends=["crashed"],
    ),
    Attack(
        what="fail fatally within Python itself",
        stopped_by=Layer.HOST,
        code="_ctypes.pythonapi.Py_FatalError(b'fatal')",
        ends=["crashed"],
    ),
)

# Whatever the interpreter is made to do, it does to itself.
TAMPERING = (
    Attack(
        what="write over the interpreter's own objects",
        stopped_by=Layer.HOST,
        code="_ctypes.memset(id(None), 255, 1 << 20)",
        ends=["crashed"],
    ),
    Attack(
        what="replace json, struct, os and time, by which its end is told",
        stopped_by=Layer.HOST,
        code="""
        import json, struct, time
        def lie(*arguments, **options): return "lies"
        for module in (json, json.encoder, json.decoder, struct, time, os, sys):
            for name in dir(module):
                if not name.startswith("_") and callable(getattr(module, name)): attempt(setattr, module, name, lie)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="replace all that is built in, compile, print, open and import among it",
        stopped_by=Layer.HOST,
        code="""
        import builtins
        for name in dir(builtins):
            if name not in ("setattr", "builtins"): vars(builtins)[name] = None
        """,
        ends=["crashed"],
    ),
    Attack(
        what="replace every function of the guest's own modules",
        stopped_by=Layer.HOST,
        code="""
        import types
        package = type(sys.stdin).__module__.rpartition(".")[0]
        for name, module in list(sys.modules.items()):
            if name.startswith(package):
                for thing, value in list(vars(module).items()):
                    if isinstance(value, (types.FunctionType, type)): vars(module)[thing] = lambda *_, **__: os._exit(0)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="change the code of the guest's own functions",
        stopped_by=Layer.HOST,
        code="""
        import gc, types
        def lie(*arguments, **options): return {"data": {}, "main": True}
        package = type(sys.stdin).__module__.rpartition(".")[0]
        gc.unfreeze()  # those of the zygote are frozen, and would not be found
        functions = [thing for thing in gc.get_objects() if isinstance(thing, types.FunctionType)]
        own = [function for function in functions if (function.__module__ or "").startswith(package)]
        assert len(own) > 100
        for function in own: attempt(setattr, function, "__code__", lie.__code__)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="empty the table of modules",
        stopped_by=Layer.HOST,
        code="sys.modules.clear()\n1",
        answers=[1],
    ),
    Attack(
        what="replace the streams by things that raise, hang or are nothing",
        stopped_by=Layer.HOST,
        code="""
        class Stream:
            def __getattr__(self, name): raise BaseException
        sys.stdout, sys.stderr, sys.stdin, sys.__stdout__ = Stream(), None, 5, Stream()
        1
        """,
        ends=["crashed"],
    ),
    Attack(
        what="close all descriptors",
        stopped_by=Layer.HOST,
        code="os.closerange(0, 1 << 16)",
        ends=["crashed"],
    ),
    Attack(
        what="put the way to the server in the place of the streams, and print",
        stopped_by=Layer.HOST,
        code="os.dup2(3, 1)\nos.dup2(3, 2)\nfor _ in range(100): print('x' * 1000)",
        ends=["crashed"],
    ),
    Attack(
        what="put the streams in the place of the way to the server",
        stopped_by=Layer.HOST,
        code="os.dup2(1, 3)",
        ends=["crashed"],
    ),
    Attack(
        what="make descriptors that do not block of the streams and of the way to the server",
        stopped_by=Layer.HOST,
        code="""
        for fd in (1, 2, 3): os.set_blocking(fd, False)
        display("x" * 4_000_000)
        os.write(1, b"x" * 4_000_000)
        """,
        # By how quickly the server reads, a frame is cut off or is not.
        ends=["crashed", "ok"],
    ),
    Attack(
        what="install hooks that lie about errors, values and imports",
        stopped_by=Layer.HOST,
        code="""
        sys.excepthook = sys.displayhook = sys.unraisablehook = lambda *_: os._exit(0)
        sys.meta_path.insert(0, None)
        sys.path_hooks.insert(0, lambda path: os._exit(0))
        [1]
        """,
        answers=[[1]],
        ends=["ok"],
    ),
    Attack(
        what="trace, profile and audit whatever the runner does, and raise in it",
        stopped_by=Layer.HOST,
        code="""
        import threading
        def spoil(*_): raise SystemExit(0)
        threading.settrace(spoil)
        threading.setprofile(spoil)
        sys.addaudithook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        sys.setprofile(spoil)
        """,
        ends=["crashed"],
    ),
    Attack(
        what="take the interrupt's signal for its own, and run on",
        stopped_by=Layer.CLOCK,
        code="import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nwhile True: pass",
        ends=["timeout"],
        options=QUICKLY,
    ),
    Attack(
        what="switch off and freeze the collection of garbage, and leave rings of it that fight back",
        stopped_by=Layer.HOST,
        code="""
        import gc
        class Ring:
            def __init__(self): self.itself = self
            def __del__(self):
                sys.setrecursionlimit(10**5)
                Ring()
                self.__del__()
        gc.disable(); gc.freeze(); gc.set_threshold(1)
        held = [Ring() for _ in range(100)]
        del held
        gc.enable()
        """,
        ends=["timeout"],
        options=QUICKLY,
    ),
    Attack(
        what="leave a child behind that tells the end in its parent's place",
        stopped_by=Layer.HOST,
        code="import time\nif os.fork(): time.sleep(0.2); os._exit(3)",
        ends=["crashed"],
    ),
    Attack(
        what="run cells and publish results within the cell, by the runner itself",
        stopped_by=Layer.HOST,
        code="""
        import gc
        gc.unfreeze()
        runners = {type(thing).__name__: thing for thing in gc.get_objects()}
        [attempt(runners["Shell"].run, "1 + 1"), attempt(runners["Interpreter"].publish, {"text/plain": "2"}, False)]
        """,
        answers=[["went through", "went through"]],
    ),
)


@tried(SEGMENTATION_FAULTS)
async def test_a_segmentation_fault_is_told(stand: Stand, attack: Attack) -> None:
    execution = await stand.withstands(attack)
    assert (execution.exit_code, execution.state_kept, execution.files) == (139, False, ())


@tried(ABORTS)
async def test_an_abort_is_told_and_leaves_nothing(stand: Stand, attack: Attack) -> None:
    execution = await stand.withstands(attack)
    assert (execution.exit_code, execution.state_kept, execution.files) == (134, False, ())


@tried(TAMPERING)
async def test_who_tampers_harms_itself(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("spoil the interpreter for the cells that come after", Layer.HOST)
async def test_after_any_spoiling_a_session_can_begin_anew(stand: Stand) -> None:
    async with stand.unharmed(60), stand.client() as client, client.session() as session:
        for spoiler in TAMPERING:
            await session.run(program(dedent(spoiler.code)), timeout_s=0.25)
            await session.run("import os; os._exit(0)", timeout_s=0.4)
            assert await ask(session, "sum(range(10))") == 45, spoiler.what
