"""The host's files, and those of others"""

from __future__ import annotations

import os
from pathlib import Path

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

_CHECKOUT = Path(__file__).parents[2]
_HOME = os.path.expanduser("~")
_OF_THE_SERVER = (__file__, f"{_CHECKOUT}/pyproject.toml", f"{_CHECKOUT}/.git", f"{_CHECKOUT}/tests")
_OF_THE_HOST = (*(f"{_HOME}/{name}" for name in (".ssh", ".bashrc", ".profile", ".config", ".cache")), "/var/log")
_SECRETS = [path for path in (*_OF_THE_SERVER, *_OF_THE_HOST, "/boot", "/etc/ssh") if os.path.exists(path)]

# Open for reading alone, so that what is tried is another way than opening it for writing.
_READ_ONLY = "('/etc/passwd', '/usr/bin/env', os.__file__, '/run/insitu/insitu_guest/agent.py')"

ATTACKS = (
    Attack(
        what="read the host's accounts",
        stopped_by=Layer.ROOT,
        code="[attempt(open, '/etc/shadow'), sorted(line.split(':')[0] for line in open('/etc/passwd'))]",
        answers=[["ENOENT", ["root", "user"]]],
    ),
    Attack(
        what="find the server's checkout, the host's home folders, logs and keys",
        stopped_by=Layer.ROOT,
        code=f"{{attempt(os.stat, path) for path in {_SECRETS!r}}}",
        answers=[{"ENOENT"}],
    ),
    Attack(
        what="list the workspaces of other sandboxes",
        stopped_by=Layer.NAMESPACES,
        code="[os.listdir(path) for path in ('/mnt', '/home', '/run/sandbox', '/mnt/data', '/tmp', '/dev/shm')]",
        answers=[[["data"], ["user"], [], [], [], []]],
    ),
    Attack(
        what="climb above the root by ..",
        stopped_by=Layer.ROOT,
        code="""
        up = "../" * 64
        [attempt(open, f"{up}etc/shadow"), os.path.samefile("/", up), os.listdir(up) == os.listdir("/")]
        """,
        answers=[["ENOENT", True, True]],
    ),
    Attack(
        what="climb above the root by openat2 from a descriptor of it",
        stopped_by=Layer.ROOT,
        code="""
        import struct
        root = os.open("/", os.O_PATH)
        def opened(path, resolve):
            return syscall("openat2", root, path, struct.pack("QQQ", os.O_PATH, 0, resolve), 24)
        [opened(b"../..", 0), *(opened(b"../../etc/shadow", resolve) for resolve in (0, 0x10, 0x08, 0x02))]
        """,
        answers=[["went through", "ENOENT", "ENOENT", "EXDEV", "ENOENT"]],
    ),
    Attack(
        what="look beneath the mounts that cover the zygote's /tmp and the whole /proc",
        stopped_by=Layer.NAMESPACES,
        code="""
        import struct
        root = os.open("/", os.O_PATH)
        def opened(path, resolve):
            return syscall("openat2", root, path, struct.pack("QQQ", os.O_PATH, 0, resolve), 24)
        [opened(path, resolve) for path in (b"tmp", b"proc") for resolve in (0, 0x01)]
        """,
        answers=[["went through", "EXDEV"] * 2],
    ),
    Attack(
        what="leave by a folder's descriptor that was left open",
        stopped_by=Layer.DESCRIPTORS,
        code="sorted({attempt(os.fchdir, number) for number in range(65536)})",
        answers=[["EBADF", "ENOTDIR"]],
    ),
    Attack(
        what="open the raw devices of the host",
        stopped_by=Layer.ROOT,
        code="""
        names = "mem kmem port kmsg vda sda nvme0 fuse kvm tty ptmx console net/tun loop-control loop0 vhost-net"
        [{attempt(open, f"/dev/{name}") for name in names.split()}, sorted(os.listdir("/dev"))]
        """,
        answers=[[{"ENOENT"}, ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]]],
    ),
    Attack(
        what="watch what others do with shared files",
        stopped_by=Layer.SECCOMP,
        code="""
        [syscall("inotify_init1", 0), syscall("fanotify_init", 0, 0), syscall("cachestat", 0, 0, 0, 0)]
        """,
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="write into the system, the packages, the guest's own code and the folders above",
        stopped_by=Layer.ROOT,
        code="""
        folders = ("", "/etc", "/usr", "/usr/bin", "/dev", "/mnt", "/home", "/run", "/run/insitu/insitu_guest")
        packages = (os.path.dirname(os.__file__), *(path for path in sys.path if os.path.isdir(path)))
        outside = [path for path in packages if not path.startswith("/mnt/data")]
        new = [f"{folder}/{name}" for folder in (*folders, *outside) for name in ("x", "sitecustomize.py", "x.pth")]
        {attempt(open, path, "w") for path in (*new, "/etc/ld.so.preload", "/etc/passwd", os.__file__)}
        """,
        answers=[{"EROFS"}],
    ),
    Attack(
        what="change a read-only file by every other call that takes a path",
        stopped_by=Layer.ROOT,
        code=f"""
        calls = (
            os.unlink, os.remove, lambda p: os.chmod(p, 0o777), lambda p: os.chown(p, 1000, 1000),
            lambda p: os.utime(p, (0, 0)), lambda p: os.rename(p, p + "x"), lambda p: os.mkdir(p + "x"),
            lambda p: os.symlink("x", p + "x"), lambda p: os.mkfifo(p + "x"), lambda p: os.replace(p, p + "x"),
            lambda p: os.setxattr(p, "user.x", b""), lambda p: os.removexattr(p, "user.x"),
        )
        {{attempt(call, path) for call in calls for path in {_READ_ONLY}}}
        """,
        answers=[{"EROFS"}],
    ),
    Attack(
        what="cut a read-only file short by opening it",
        stopped_by=Layer.ROOT,
        code=f"{{attempt(os.open, path, os.O_RDONLY | os.O_TRUNC) for path in {_READ_ONLY}}}",
        answers=[{"EROFS"}],
    ),
    Attack(
        what="cut short a file that is somebody else's",
        stopped_by=Layer.CAPABILITIES,
        code="{attempt(os.truncate, path, 0) for path in ('/usr/bin/env', '/usr/bin/bash')}",
        answers=[{"EACCES"}],
    ),
    Attack(
        what="write to a read-only file through memory that is shared with it",
        stopped_by=Layer.ROOT,
        code=f"""
        import mmap
        answer = []
        for path in {_READ_ONLY}:
            with open(path, "rb") as file:
                answer.append(attempt(mmap.mmap, file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_WRITE))
                shared = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
                line = next(line for line in open("/proc/self/maps") if line.rstrip().endswith(path))
                start = int(line.split("-")[0], 16)
                answer.append(syscall("mprotect", start, 1, mmap.PROT_READ | mmap.PROT_WRITE))
        set(answer)
        """,
        answers=[{"EACCES"}],
    ),
    Attack(
        what="overwrite the Python that runs it",
        stopped_by=Layer.ROOT,
        code="""
        names = ("/proc/self/exe", sys.executable, os.path.realpath(sys.executable))
        [{attempt(open, path, "wb") for path in names}, {attempt(os.unlink, path) for path in names[1:]}]
        """,
        answers=[[{"EROFS"}, {"EROFS"}]],
    ),
    Attack(
        what="open a descriptor that names a file anew, for writing",
        stopped_by=Layer.ROOT,
        code="""
        fd = os.open("/etc/passwd", os.O_PATH)
        [attempt(open, f"/proc/self/fd/{fd}", "w"), attempt(open, f"/dev/fd/{fd}", "w"),
         attempt(os.chmod, f"/proc/self/fd/{fd}", 0o777), syscall("fchmodat2", fd, b"", 0o777, 0x1000)]
        """,
        answers=[["EROFS"] * 4],
    ),
    Attack(
        what="link a read-only file into the workspace",
        stopped_by=Layer.ROOT,
        code="""
        answer = []
        for path in ("/usr/bin/env", "/etc/passwd", "/proc/self/exe"):
            fd = os.open(path, os.O_PATH)
            answer += [attempt(os.link, path, "/mnt/data/x"), syscall("linkat", fd, b"", -100, b"/tmp/x", 0x1000)]
            answer.append(syscall("linkat", -100, f"/proc/self/fd/{fd}".encode(), -100, b"/tmp/x", 0x400))
        set(answer)
        """,
        answers=[{"EXDEV"}],
    ),
    Attack(
        what="put a file without a name into a read-only folder",
        stopped_by=Layer.ROOT,
        code="""
        fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
        link = f"/proc/self/fd/{fd}".encode()
        [attempt(os.open, "/usr/bin", os.O_TMPFILE | os.O_RDWR), syscall("linkat", fd, b"", -100, b"/usr/x", 0x1000),
         syscall("linkat", -100, link, -100, b"/usr/x", 0x400), syscall("linkat", -100, link, -100, b"/tmp/x", 0x400)]
        """,
        answers=[["EROFS"] * 3 + ["went through"]],
    ),
    Attack(
        what="put another folder in the place of the workspace, /tmp or the root",
        stopped_by=Layer.ROOT,
        code="""
        places = ("/mnt/data", "/home/user", "/tmp", "/dev/shm")
        os.mkdir("/tmp/mine")
        def swap(one, two): return syscall("renameat2", -100, one.encode(), -100, two.encode(), 2)
        over = {attempt(os.rename, "/tmp/mine", place) for place in places} | {swap("/tmp/mine", p) for p in places}
        away = {attempt(os.rename, place, "/mnt/x") for place in places}
        swapped = swap("/mnt/data", "/home/user")
        [over, away, swapped, {attempt(os.rmdir, place) for place in places}, attempt(os.rmdir, "/")]
        """,
        answers=[[{"EXDEV"}, {"EROFS"}, "EROFS", {"EROFS"}, "EBUSY"]],
    ),
    Attack(
        what="make a file immutable, sealed by verity or encrypted, so that nobody can delete it",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY
        calls = (0x80086601, 0x40086602, 0x401C5820, 0x40806685, 0x800C6613)
        file = open("f", "w")
        tried = {attempt(fcntl.ioctl, file, call, bytearray(256)) for call in calls}
        [tried, syscall("file_setattr", -100, b"f", bytes(24), 24, 0)]
        """,
        answers=[[{"ENOTTY"}, "EPERM"]],
    ),
    Attack(
        what="freeze, trim or map the host's file systems by ioctl",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        # FIFREEZE, FITHAW, FITRIM, FIBMAP, FS_IOC_FIEMAP
        calls = (0xC0045877, 0xC0045878, 0xC0185879, 1, 0xC020660B)
        files = [open(path, "rb") for path in ("/usr/bin/env", os.__file__)]
        {attempt(fcntl.ioctl, file, call, bytearray(64)) for file in files for call in calls}
        """,
        answers=[{"ENOTTY"}],
    ),
    Attack(
        what="empty the kernel's pool of randomness",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        # RNDADDTOENTCNT, RNDADDENTROPY, RNDZAPENTCNT, RNDCLEARPOOL, RNDRESEEDCRNG
        calls = (0x40045201, 0x40085203, 0x5204, 0x5206, 0x5207)
        file = open("/dev/urandom", "r+b", buffering=0)
        {attempt(fcntl.ioctl, file, call, bytearray(64)) for call in calls}
        """,
        answers=[{"ENOTTY"}],
    ),
)


@tried(ATTACKS)
async def test_files(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
