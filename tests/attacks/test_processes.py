"""Processes, threads and signals: reaching others, outliving one's end, not ending at all."""

from __future__ import annotations

import os
from contextlib import aclosing

import anyio

from tests.attacks.asking import ask, assert_agent_serves, assert_others_work, program
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand
from tests.support.processes import descendants

# The highest number that a process of a sandbox gets in these tests.
_FEW = 400

REACHING = (
    Attack(
        what="kill its parent",
        stopped_by=Layer.NAMESPACES,
        # It has none that it could name: 0 is its own group.
        code="print(os.getppid(), flush=True)\nos.kill(os.getppid(), 9)",
        ends=["crashed"],
    ),
    Attack(
        what="find the processes of the host by their numbers",
        stopped_by=Layer.NAMESPACES,
        code="""
        found = [pid for pid in range(1, 1 << 15) if attempt(os.kill, pid, 0) != "ESRCH"]
        [found == sorted({1, os.getpid()}), {syscall("pidfd_open", pid, 0) for pid in range(1000, 3000)}]
        """,
        answers=[[True, {"ESRCH"}]],
    ),
    Attack(
        what="trace the agent, or read and write its memory by system calls",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        page = _ctypes.create_string_buffer(64)
        vector = struct.pack("PN", _ctypes.addressof(page), 64)
        traced = {syscall("ptrace", request, 1, 0, 0) for request in (0x4206, 16, 3, 0x4207)}
        [traced, syscall("process_vm_readv", 1, vector, 1, vector, 1, 0),
         syscall("process_vm_writev", 1, vector, 1, vector, 1, 0), syscall("kcmp", 1, os.getpid(), 0, 0, 0)]
        """,
        answers=[[{"EPERM"}, "EPERM", "EPERM", "EPERM"]],
    ),
    Attack(
        what="be traced, and trace its own children",
        stopped_by=Layer.SECCOMP,
        code="""
        child = os.fork() or os.execvp("sleep", ["sleep", "1000"])
        answer = [syscall("ptrace", 0, 0, 0, 0), syscall("ptrace", 0x4206, child, 0, 0)]
        os.kill(child, 9)
        answer
        """,
        answers=[["EPERM", "EPERM"]],
    ),
    Attack(
        what="take the agent's memory, descriptors and namespaces by /proc",
        stopped_by=Layer.AGENT,
        code="""
        names = "mem maps environ fd/3 fdinfo/3 ns/net ns/user root/etc cwd/x exe stack syscall auxv pagemap"
        def take(name, mode):
            with open(f"/proc/1/{name}", mode, buffering=0) as file: file.read(1)
        [{attempt(take, name, mode) for name in names.split() for mode in ("rb", "r+b")} <= {"EACCES", "EPERM"},
         {attempt(os.readlink, f"/proc/1/{name}") for name in ("exe", "cwd", "root", "fd/3", "ns/mnt")}]
        """,
        answers=[[True, {"EACCES"}]],
    ),
    Attack(
        what="change the agent by what can be written of it in /proc",
        stopped_by=Layer.AGENT,
        code="""
        names = "oom_score_adj oom_adj comm clear_refs coredump_filter timerslack_ns autogroup uid_map setgroups sched"
        def change(name):
            with open(f"/proc/1/{name}", "wb", buffering=0) as file: file.write(b"1")
        {attempt(change, name) for name in names.split()} <= {"EACCES", "ENOENT", "EPERM"}
        """,
        answers=[True],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="use a descriptor of the agent's process",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        pidfd = os.pidfd_open(1)
        # PIDFD_GET_NET_NAMESPACE and its like, PIDFD_GET_INFO
        calls = (*range(0xFF01, 0xFF0B), 0xC040FF0B)
        [syscall("pidfd_getfd", pidfd, 3, 0), syscall("setns", pidfd, 0x40000000),
         syscall("process_madvise", pidfd, 0, 0, 21, 0), syscall("process_mrelease", pidfd, 0),
         attempt(os.waitid, os.P_PIDFD, pidfd, os.WEXITED), {attempt(fcntl.ioctl, pidfd, c, bytes(64)) for c in calls}]
        """,
        answers=[["EPERM", "EPERM", "EPERM", "EPERM", "ECHILD", {"ENOTTY"}]],
    ),
    Attack(
        what="slow the agent down by priority, affinity or scheduling class",
        stopped_by=Layer.SECCOMP,
        code="""
        batch = os.sched_param(0)
        [attempt(os.setpriority, which, who, 19) for which, who in ((0, 1), (1, 1), (2, 0))] + [
            attempt(os.sched_setaffinity, 1, [0]), attempt(os.sched_setscheduler, 1, os.SCHED_IDLE, batch),
            attempt(os.sched_setparam, 1, batch), syscall("sched_setattr", 1, bytes(56), 0),
            syscall("ioprio_set", 1, 1, 3 << 13), syscall("ioprio_set", 3, 0, 3 << 13)]
        """,
        answers=[["EPERM"] * 9],
    ),
    Attack(
        what="take limits away from the agent",
        stopped_by=Layer.SECCOMP,
        code="import struct; {syscall('prlimit64', 1, n, struct.pack('QQ', 0, 0), None) for n in range(16)}",
        answers=[{"EPERM"}],
    ),
    Attack(
        what="raise its own limits",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import resource, struct
        names = ("NPROC", "NOFILE", "FSIZE", "MEMLOCK", "SIGPENDING", "MSGQUEUE", "STACK", "RTPRIO", "NICE")
        more = struct.pack("QQ", (1 << 64) - 1, (1 << 64) - 1)
        numbers = [getattr(resource, f"RLIMIT_{name}") for name in names]
        {syscall("prlimit64", pid, number, more, None) for number in numbers for pid in (0, os.getpid())}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="get ahead of everybody by priority or a real-time class",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import struct
        first = os.sched_param(1)
        deadline = struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 1 << 20, 1 << 24, 1 << 24)
        [attempt(os.nice, -1), attempt(os.setpriority, 0, 0, -20), attempt(os.sched_setscheduler, 0, 1, first),
         attempt(os.sched_setscheduler, 0, 2, first), syscall("sched_setattr", 0, deadline, 0),
         syscall("ioprio_set", 1, 0, 1 << 13)]
        """,
        answers=[["EPERM", "EACCES", "EPERM", "EPERM", "EPERM", "EPERM"]],
    ),
    Attack(
        what="read where the agent keeps its locks",
        stopped_by=Layer.SECCOMP,
        code="[syscall('get_robust_list', pid, bytes(8), bytes(8)) for pid in (1, 0)]",
        answers=[["EPERM", "EPERM"]],
    ),
    Attack(
        what="type into a terminal of the host",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        # No descriptor is so high: had the call reached the kernel, that would have been the answer.
        types = [attempt(fcntl.ioctl, 999, call, b"x") for call in (0x5412, 0x541C, 0x541D, 0x5423, 0x540E)]
        paths = ("/dev/tty", "/dev/tty1", "/dev/console", "/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/0")
        [types, {attempt(open, path) for path in paths}, attempt(os.openpty)]
        """,
        answers=[[["ENOTTY"] * 4 + ["EBADF"], {"ENOENT"}, "ENOENT"]],
    ),
    Attack(
        what="choose the number of a new process, so that a signal meets the wrong one",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        number = _ctypes.c_int(2)
        arguments = struct.pack("11Q", *[0] * 4, 17, *[0] * 3, _ctypes.addressof(number), 1, 0)
        [syscall("clone3", arguments, len(arguments)), attempt(open, "/proc/sys/kernel/ns_last_pid", "w")]
        """,
        answers=[["ENOSYS", "ENOENT"]],
    ),
    Attack(
        what="make children that are traced, somebody else's, or in namespaces of their own",
        stopped_by=Layer.SECCOMP,
        code="""
        # CLONE_PTRACE, CLONE_PARENT, CLONE_UNTRACED, and CLONE_NEW… from mounts to networks
        strange, new = (0x2000, 0x8000, 0x800000), (0x20000, *(1 << bit for bit in range(25, 31)))
        [{syscall("clone", flag | 17, 0, 0, 0, 0) for flag in (*strange, *new)},
         {syscall("unshare", flag) for flag in (*new, 0x80)},
         syscall("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0)]
        """,
        answers=[[{"EPERM"}, {"EPERM"}, "EPERM"]],
    ),
    Attack(
        what="adopt orphans, choose a tracer, move its memory's bounds or keep capabilities by prctl",
        stopped_by=Layer.SECCOMP,
        code="""
        # SUBREAPER, PTRACER, MM, KEEPCAPS, SECUREBITS, CAPBSET_DROP, CAP_AMBIENT, SECCOMP, TSC, UNALIGN, ENDIAN,
        # SCHED_CORE, MDWE, MEMORY_MERGE, SPECULATION_CTRL, IO_FLUSHER, SYSCALL_USER_DISPATCH, FUTEX_HASH
        options = (36, 0x59616D61, 35, 8, 28, 24, 47, 22, 26, 6, 20, 62, 65, 67, 53, 57, 59, 78)
        {syscall("prctl", option, 1, 0, 0, 0) for option in options}
        """,
        answers=[{"EPERM"}],
    ),
)

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
        ends=["ok", "error"],
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


@tried((*REACHING, *BOMBS, *LASTING, *ENDLESS))
async def test_processes(stand: Stand, attack: Attack) -> None:
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
            os.setsid()
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


@attack("send the agent every signal, by every call that sends one", Layer.AGENT)
async def test_no_signal_touches_the_agent(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told = await ask(
            session,
            """
            import struct
            pidfd, how = os.pidfd_open(1), set()
            for number in range(1, 65):
                info = struct.pack("3i", number, 0, -1).ljust(128, bytes(1))
                how |= {syscall("kill", 1, number), syscall("tkill", 1, number), syscall("tgkill", 1, 1, number)}
                how |= {syscall("rt_sigqueueinfo", 1, number, info), syscall("rt_tgsigqueueinfo", 1, 1, number, info)}
                how.add(syscall("pidfd_send_signal", pidfd, number, None, 0))
            how
            """,
        )
        layers = (await session.info()).layers
        # Where it has the same user and no Landlock, signals are sent, and the kernel keeps them from a first process.
        is_kept = layers["users"] == "of its own" or layers["landlock"] not in {"off", *(f"abi {n}" for n in range(6))}
        assert told == ({"EPERM"} if is_kept else {"went through"})
        await assert_agent_serves(session)


@attack("kill everybody at once", Layer.AGENT)
async def test_a_signal_to_everybody_spares_the_agent(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told = await ask(
            session,
            """
            import subprocess
            child = subprocess.Popen(["sleep", "1000"])
            attempt(os.kill, -1, 19), attempt(os.killpg, 1, 9), attempt(os.kill, -1, 9)
            child.wait()
            """,
        )
        assert told == -9
        await assert_agent_serves(session)


@attack("signal the server, its supervisor, init, zygote and all other sandboxes", Layer.NAMESPACES)
async def test_the_processes_of_the_server_are_out_of_reach(stand: Stand) -> None:
    pids = sorted(pid for pid in (os.getpid(), *descendants(os.getpid())) if pid > _FEW)
    async with stand.unharmed(), stand.client() as client:
        kill = (
            f"{{attempt(os.kill, sign * pid, number) for pid in {pids} for sign in (1, -1) for number in (9, 19, 0)}}"
        )
        assert await ask(client, kill) == {"ESRCH"}


# Who has been killed may take a moment to be gone.
ALONE = """
import time
while sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) != [1, os.getpid()]: time.sleep(0.002)
"alone"
"""


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


@attack("disguise itself as the agent, unseen by /proc", Layer.AGENT)
async def test_a_disguise_saves_nobody(stand: Stand) -> None:
    disguise = """
        import signal
        name, dumpable, death = 15, 4, 1
        how = [syscall("prctl", name, b"insitu-agent", 0, 0, 0), syscall("prctl", dumpable, 0, 0, 0, 0)]
        how.append(syscall("prctl", death, 9, 0, 0, 0))
        for title in (b"insitu-agent", b"x) Z 0 0 (", b"1 (a) S 1 1", b"\\n)"):
            if os.fork() == 0:
                syscall("prctl", name, title, 0, 0, 0)
                os.setsid()
                while True: signal.pause()
        how
    """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(session, disguise) == ["went through"] * 3
        await assert_agent_serves(session)
        assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        assert await ask(session, ALONE) == "alone"


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
