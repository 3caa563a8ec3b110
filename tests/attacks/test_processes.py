"""Processes and signals: reaching others, the agent above all."""

from __future__ import annotations

import os

from tests.attacks.asking import ALONE, ask, assert_agent_serves
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
        names = "mem maps environ fd/3 fdinfo/3 ns/net ns/user root/etc cwd/x exe stack syscall auxv pagemap io"
        names += " task/1/mem"
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
)


@tried(REACHING)
async def test_processes(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


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
