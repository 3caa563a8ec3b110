"""Sockets of every kind, and what the kernel keeps for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attacks.asking import ask, assert_others_work
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import SETTINGS, Stand

KINDS = (
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


@tried(KINDS)
async def test_sockets(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


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
        # Where sockets are counted on their own, they may have an eighth of the memory; each has a little beyond that.
        is_apart = any(Path("/sys/fs/cgroup/memory").glob("memory.kmem.tcp.*"))
        assert memory_of_sockets() - before < SETTINGS.memory_bytes // (4 if is_apart else 1)
        await assert_others_work(stand)


def memory_of_sockets() -> int:
    """What TCP holds on this machine, in bytes."""
    for line in Path("/proc/net/sockstat").read_text("ascii").splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    raise AssertionError("the kernel tells nothing of TCP")
