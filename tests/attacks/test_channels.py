"""All else that processes talk by: queues, shared memory, the way to the server."""

from __future__ import annotations

from tests.attacks.asking import ask, assert_agent_serves
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import NEIGHBOUR, Stand

CHANNEL = (
    Attack(
        what="connect to Docker, D-Bus, containerd and the like",
        stopped_by=Layer.ROOT,
        code="""
        import socket
        names = "docker.sock dbus/system_bus_socket containerd/containerd.sock podman/podman.sock crio/crio.sock"
        names += " systemd/private systemd/notify systemd/journal/stdout snapd.socket libvirt/libvirt-sock nscd/socket"
        paths = [f"{run}/{name}" for run in ("/run", "/var/run") for name in names.split()] + ["/dev/log"]
        {attempt(socket.socket(socket.AF_UNIX).connect, path) for path in (*paths, "/tmp/.X11-unix/X0")}
        """,
        answers=[{"ENOENT"}],
    ),
    Attack(
        what="send descriptors up the way to the server, or learn by it who the server is",
        stopped_by=Layer.DESCRIPTORS,
        code="""
        import socket, stat
        peer_credentials, peer_groups, peer_pidfd, pass_pidfd = 17, 59, 77, 76
        def tell(fd):
            for option in (peer_credentials, peer_groups, peer_pidfd):
                yield syscall("getsockopt", fd, socket.SOL_SOCKET, option, bytes(64), b"\\x40\\0\\0\\0")
            yield syscall("setsockopt", fd, socket.SOL_SOCKET, pass_pidfd, b"\\1\\0\\0\\0", 4)
            yield from (syscall("getpeername", fd, bytes(64), b"\\x40\\0\\0\\0"), syscall("sendmsg", fd, bytes(56), 0))
            yield syscall("shutdown", fd, socket.SHUT_RDWR)
        ways = [fd for fd in range(1024) if attempt(os.fstat, fd) == "went through"]
        [[stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in ways], {told for fd in ways for told in tell(fd)}]
        """,
        answers=[[[False, True, True, True, True], {"ENOTSOCK"}]],
    ),
    Attack(
        what="put pages or other files into the way to the server by splicing",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        page = _ctypes.create_string_buffer(4096)
        vector = struct.pack("PN", _ctypes.addressof(page), 4096)
        [syscall("vmsplice", 4, vector, 1, 8), syscall("splice", os.open("/usr/bin/env", 0), None, 4, None, 64, 0),
         syscall("tee", 3, 4, 64, 0)]
        """,
        answers=[["EPERM"] * 3],
    ),
)


@tried(CHANNEL)
async def test_channels(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


# What a session sets up, and what another one, of another key, finds of it.
MEETINGS = {
    "TCP on loopback": (
        "held.append(socket.create_server(('127.0.0.1', 4567)))",
        "socket.create_connection(('127.0.0.1', 4567))",
        "ECONNREFUSED",
    ),
    "an abstract socket": (
        "held.append(listening('\\0meet'))",
        "socket.socket(socket.AF_UNIX).connect('\\0meet')",
        "ECONNREFUSED",
    ),
    "a socket with a path": (
        "held.append(listening('/tmp/meet'))",
        "socket.socket(socket.AF_UNIX).connect('/tmp/meet')",
        "ENOENT",
    ),
    "a pipe with a name": ("os.mkfifo('/dev/shm/pipe')", "os.open('/dev/shm/pipe', os.O_RDWR)", "ENOENT"),
    "shared memory of System V": (
        "assert syscall('shmget', 77, 4096, 0o1666) == 'went through'",
        "sysv('shmget', 77, 4096, 0o666)",
        "ENOENT",
    ),
    "semaphores of System V": (
        "assert syscall('semget', 77, 1, 0o1666) == 'went through'",
        "sysv('semget', 77, 1, 0o666)",
        "ENOENT",
    ),
    "a queue of System V": (
        "assert syscall('msgget', 77, 0o1666) == 'went through'",
        "sysv('msgget', 77, 0o666)",
        "ENOENT",
    ),
    "POSIX shared memory": (
        "held.append(SharedMemory('meet', True, 64))",
        "SharedMemory('meet')",
        "ENOENT",
    ),
}


_SYSV = """
import socket
from multiprocessing.shared_memory import SharedMemory
held = []
def listening(name):
    server = socket.socket(socket.AF_UNIX)
    server.bind(name)
    server.listen()
    return server
def sysv(*call):
    if (how := syscall(*call)) != "went through": raise OSError(getattr(_errno, how), how)
"""


@attack("meet a session of another key on loopback, abstract sockets, queues and shared memory", Layer.NAMESPACES)
async def test_sessions_of_two_keys_have_nowhere_to_meet(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as one, stand.client(NEIGHBOUR) as two:
        async with one.session() as first, two.session() as second:
            await ask(first, "\n".join([_SYSV, *(setup for setup, _, _ in MEETINGS.values()), "1"]))
            # The first session itself finds all of it.
            calls = [f"attempt(lambda: {call})" for _, call, _ in MEETINGS.values()]
            assert await ask(first, f"[{', '.join(calls)}]") == ["went through"] * len(MEETINGS)
            told = await ask(second, f"{_SYSV}\n[{', '.join(calls)}]")
    assert dict(zip(MEETINGS, told, strict=True)) == {name: refusal for name, (_, _, refusal) in MEETINGS.items()}


@attack("meet a session of another key at a POSIX queue", Layer.LANDLOCK)
async def test_sessions_of_two_keys_share_no_queue(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as one, stand.client(NEIGHBOUR) as two:
        async with one.session() as first, two.session() as second:
            made = await ask(first, "syscall('mq_open', b'meet', os.O_CREAT | os.O_RDWR, 0o666, None)")
            found = await ask(second, "syscall('mq_open', b'meet', os.O_RDWR, 0, None)")
    # No rule of Landlock's names the file system of queues; without it, each sandbox has its own.
    assert made == ("went through" if Layer.LANDLOCK in stand.lacking else "EACCES")
    assert found == "ENOENT"


@attack("have the kernel signal the agent whenever the server reads a pipe", Layer.AGENT)
async def test_the_server_signals_nobody_by_reading(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told = await ask(
            session,
            """
            import fcntl, signal
            async_io, set_signal = 0x2000, 10
            answer = []
            for number in (signal.SIGKILL, signal.SIGINT, signal.SIGSTOP, 0):
                for fd in (1, 2, 3, 4):
                    answer.append(attempt(fcntl.fcntl, fd, set_signal, number))
                    answer.append(attempt(fcntl.fcntl, fd, fcntl.F_SETOWN, 1))
                    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                    answer.append(attempt(fcntl.fcntl, fd, fcntl.F_SETFL, flags | async_io))
                print("read this", flush=True)
            set(answer)
            """,
        )
        assert told == {"went through"}
        for _ in range(3):
            await assert_agent_serves(session)
