"""The kernel's surface behind calls that are allowed, or look as if they were: what their arguments ask for."""

from __future__ import annotations

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

MEMORY = (
    Attack(
        what="gift and splice pages between pipes and files of the host, as DirtyPipe did",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        (read, write), (other, further), host = os.pipe(), os.pipe(), os.open("/usr/bin/env", os.O_RDONLY)
        page = _ctypes.create_string_buffer(4096)
        vector = struct.pack("PQ", _ctypes.addressof(page), 4096)
        [syscall("splice", host, b"\\0" * 8, write, None, 1, 0), syscall("tee", read, further, 1, 2),
         syscall("vmsplice", write, vector, 1, 8)]
        """,
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="move pages between the nodes of the machine",
        stopped_by=Layer.SECCOMP,
        code="""
        page, mask = _ctypes.create_string_buffer(8192), b"\\1" + bytes(7)
        place = _ctypes.addressof(page) + 4095 & -4096
        [syscall("mbind", place, 4096, 1, mask, 64, 0), syscall("set_mempolicy", 0, None, 0),
         syscall("move_pages", 0, 1, (_ctypes.c_void_p * 1)(place), None, (_ctypes.c_int * 1)(), 0),
         syscall("migrate_pages", 0, 64, mask, mask), syscall("set_mempolicy_home_node", place, 4096, 0, 0),
         syscall("get_mempolicy", None, None, 0, None, 0)]
        """,
        answers=[["EPERM"] * 5 + ["ENOSYS"]],
    ),
    Attack(
        what="take huge pages from the host's pool, which no limit of memory counts",
        stopped_by=Layer.SECCOMP,
        code="""
        flags = (0x40021, 0x40022, 21 << 26 | 0x40022, 30 << 26 | 0x40022)
        [*(syscall("mmap", None, 2 << 20, 3, more, -1, 0) for more in flags),
         syscall("memfd_create", b"huge", 4), syscall("shmget", 0, 2 << 20, 0o5600),
         syscall("memfd_create", b"small", 0), syscall("shmget", 0, 4096, 0o1600)]
        """,
        answers=[["ENOMEM"] * 6 + ["went through"] * 2],
    ),
    Attack(
        what="let the kernel merge its pages with equal ones of others",
        stopped_by=Layer.SECCOMP,
        code="""
        page = _ctypes.create_string_buffer(8192)
        place = _ctypes.addressof(page) + 4095 & -4096
        [syscall("madvise", place, 4096, 12), syscall("prctl", 67, 1, 0, 0, 0), syscall("madvise", place, 4096, 0)]
        """,
        answers=[["EINVAL", "EPERM", "went through"]],
    ),
    Attack(
        what="hide memory from the kernel by memfd_secret",
        stopped_by=Layer.SECCOMP,
        code="syscall('memfd_secret', 0)",
        answers=["EPERM"],
    ),
    Attack(
        what="advise on the memory of the first process, and reap it",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        pidfd, whole = os.pidfd_open(os.getppid() or 1), struct.pack("PQ", 4096, 1 << 40)
        [syscall("process_madvise", pidfd, whole, 1, 21, 0), syscall("process_mrelease", pidfd, 0)]
        """,
        answers=[["EPERM"] * 2],
    ),
    Attack(
        what="remap its memory by the call that was dropped, and have a file's cached pages counted",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        library = os.open("/usr/bin/env", os.O_RDONLY)
        [syscall("remap_file_pages", 0, 4096, 0, 0, 0), syscall("cachestat", library, b"\\0" * 16, b"\\0" * 40, 0)]
        """,
        answers=[["EPERM"] * 2],
    ),
)

SOCKETS = (
    Attack(
        what="open a netlink socket, for the firewall's tables among others",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        [attempt(socket.socket, 16, kind, protocol) for kind in (2, 3) for protocol in (0, 4, 6, 9, 12, 15, 16)]
        """,
        answers=[["EAFNOSUPPORT"] * 14],
    ),
    Attack(
        what="have a socket of every other family, most of which are modules",
        stopped_by=Layer.SECCOMP,
        code="""
        families = set(range(128)) - {1, 2, 10}
        {syscall(call, family | upper, kind, 0, *pair) for call, pair in (("socket", ()), ("socketpair", (b"\\0" * 8,)))
         for family in families for upper in (0, 1 << 32) for kind in (1, 2, 3, 5)}
        """,
        answers=[{"EAFNOSUPPORT"}],
    ),
    Attack(
        what="make a socket raw by the bits beside its type",
        stopped_by=Layer.SECCOMP,
        code="""
        kinds = [kind | flags for kind in (0, 3, 4, 6, 10, 11, 15) for flags in (0, 0x800, 0x80000, 0x80800)]
        {syscall("socket", family, kind, protocol) for family in (1, 2, 10)
         for kind in kinds for protocol in (0, 1, 255)}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="hand a connection to the kernel's own TLS",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            answer = [attempt(client.setsockopt, 6, 31, name) for name in (b"tls", b"smc", b"mptcp", b"espintcp")]
        answer
        """,
        answers=[["ENOPROTOOPT"] * 4],
    ),
    Attack(
        what="replace the firewall's tables by an option of a socket",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import socket
        answer = set()
        for family, level in ((2, 0), (10, 41)):
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                answer |= {attempt(one.setsockopt, level, option, bytes(1024)) for option in (64, 65, 96, 97, 128)}
        answer <= {"EPERM", "ENOPROTOOPT"}
        """,
        answers=[True],
    ),
    Attack(
        what="load a module by the name of a way to avoid congestion",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import socket
        with socket.socket() as one:
            answer = [attempt(one.setsockopt, 6, 13, name) for name in (b"dctcp", b"cdg", b"nv", b"no-such-module")]
        set(answer) <= {"EPERM", "ENOENT"}
        """,
        answers=[True],
    ),
    Attack(
        what="send out-of-band data through a Unix socket, a way out of Chromium's sandbox once",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket
        one, two = socket.socketpair()
        [attempt(one.send, b"x", socket.MSG_OOB), attempt(one.sendmsg, [b"x"], [], socket.MSG_OOB | 0x4000),
         attempt(two.recv, 1, socket.MSG_OOB), attempt(two.recvmsg, 1, 0, socket.MSG_OOB),
         syscall("sendmmsg", one.fileno(), b"\\0" * 64, 1, 1),
         syscall("recvmmsg", two.fileno(), b"\\0" * 64, 1, 1, None)]
        """,
        # One number has two names.
        answers=[["ENOTSUP"] * 6],
    ),
)

PROCESSES = (
    Attack(
        what="change how it is executed: no random addresses, all that is readable executable",
        stopped_by=Layer.SECCOMP,
        code="""
        kinds = (0x0040000, 0x0400000, 0x0100000, 0x0200000, 0x4000000, 8, 0x0080000)
        [*(syscall("personality", kind) for kind in kinds), syscall("personality", 0xFFFFFFFF)]
        """,
        answers=[["EPERM"] * 7 + ["went through"]],
    ),
    Attack(
        what="set what prctl has to offer: capabilities, secure bits, its memory's layout, who may trace it, orphans",
        stopped_by=Layer.SECCOMP,
        code="""
        options = (6, 8, 20, 22, 24, 26, 28, 31, 33, 35, 36, 43, 47, 53, 57, 59, 62, 65, 67, 78, 0x59616D61)
        {syscall("prctl", option | upper, value, 0, 0, 0)
         for option in options for value in (0, 1) for upper in (0, 1 << 32)}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="take back that it gets no new privileges",
        stopped_by=Layer.CAPABILITIES,
        code="""
        [syscall("prctl", 38, value, 0, 0, 0) for value in (0, 2)] + [_libc.prctl(39, 0, 0, 0, 0)]
        """,
        answers=[["EINVAL", "EINVAL", 1]],
    ),
    Attack(
        what="ask for leases on files of the host, and for news of folders",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        file, folder = os.open("/usr/bin/env", os.O_RDONLY), os.open("/usr/bin", os.O_RDONLY)
        own = os.open("own", os.O_RDONLY | os.O_CREAT)
        [*(attempt(fcntl.fcntl, fd, 1024, 0) for fd in (file, own)), attempt(fcntl.fcntl, folder, 1026, 0x8000001F),
         *(syscall("fcntl", own, command | 1 << 32, 0) for command in (1024, 1026))]
        """,
        answers=[["EINVAL"] * 5],
    ),
    Attack(
        what="send a device or a file requests beyond the few that are known",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl, socket
        own, net = open("own", "w"), socket.socket()
        files = (0x80086601, 0x40086602, 0x801C581F, 0xC0189436, 2, 0xC020660B, 0x5452 + 1)
        nets = (0x8904, 0x8914, 0x8916, 0x8924, 0x8946 + 1, 0x894C, 0x8955, 0x89A2, 0x89F0, 0x8B01)
        upper = [syscall("ioctl", net.fileno(), request | 1 << 32, b"\\0" * 64) for request in nets]
        {*(attempt(fcntl.ioctl, own, request, b"\\0" * 64) for request in files), *upper,
         *(attempt(fcntl.ioctl, net, request, b"\\0" * 64) for request in nets)}
        """,
        answers=[{"ENOTTY"}],
    ),
    Attack(
        what="make device nodes of every kind",
        stopped_by=Layer.SECCOMP,
        code="""
        [attempt(os.mknod, "node", kind | 0o666, os.makedev(*number)) for kind in (0o020000, 0o060000)
         for number in ((1, 1), (1, 3), (5, 1), (8, 0), (0, 0))]
        """,
        answers=[["EPERM"] * 10],
    ),
    Attack(
        what="lock a futex that inherits priorities, through which kernels were broken",
        stopped_by=Layer.SECCOMP,
        code="""
        word = _ctypes.c_int()
        [syscall("futex", _ctypes.byref(word), operation | private, 0, None, _ctypes.byref(word), 0)
         for operation in (2, 6, 7, 8, 11, 12, 13) for private in (0, 128)]
        """,
        answers=[["ENOSYS"] * 14],
    ),
)

ATTACKS = (*MEMORY, *SOCKETS, *PROCESSES)


@tried(ATTACKS)
async def test_kernel_arguments(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
