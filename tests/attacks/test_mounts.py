"""Mounts, devices, programs that a sandbox has written, and the room that its files may take."""

from __future__ import annotations

import os
import stat
from glob import glob

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

_SET_UID = [
    path for path in sorted(glob("/usr/bin/*")) if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID
]

ATTACKS = (
    Attack(
        what="mount a file system",
        stopped_by=Layer.SECCOMP,
        code="syscall('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        answers=["EPERM"],
    ),
    Attack(
        what="make the root writable by mounting it again",
        stopped_by=Layer.SECCOMP,
        code="""
        remount, bind = 32, 4096
        tried = [(path, flags) for path in (b"/", b"/usr/bin") for flags in (remount, remount | bind)]
        {syscall("mount", None, path, None, flags, None) for path, flags in tried}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="bind one of its descriptors over a file of the system",
        stopped_by=Layer.SECCOMP,
        code="""
        fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
        syscall("mount", f"/proc/self/fd/{fd}".encode(), b"/etc/passwd", None, 4096, None)
        """,
        answers=["EPERM"],
    ),
    Attack(
        what="unmount what covers something else",
        stopped_by=Layer.SECCOMP,
        code="[syscall('umount2', path, 2) for path in (b'/proc', b'/tmp', b'/mnt/data')]",
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="mount by the newer calls",
        stopped_by=Layer.SECCOMP,
        code="""
        calls = "open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr"
        {syscall(name, -100, b"/", 1, 0, 0, 0) for name in calls.split()}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="break out by a root within its root",
        stopped_by=Layer.SECCOMP,
        code="os.mkdir('/tmp/jail'); [attempt(os.chroot, '/tmp/jail'), attempt(os.chroot, '/')]",
        answers=[["EPERM", "EPERM"]],
    ),
    Attack(
        what="turn its root by pivot_root",
        stopped_by=Layer.SECCOMP,
        code="os.mkdir('/tmp/old'); [syscall('pivot_root', b'/tmp', b'/tmp/old'), syscall('pivot_root', b'.', b'.')]",
        answers=[["EPERM", "EPERM"]],
    ),
    Attack(
        what="get a device by a rename that leaves a whiteout behind",
        stopped_by=Layer.WORKSPACE,
        code="""
        import stat
        open("a", "w").close()
        made = syscall("renameat2", -100, b"a", -100, b"b", 4)
        left = os.lstat("a")
        os.chmod("a", 0o666)
        [made, stat.S_ISCHR(left.st_mode), left.st_rdev, attempt(open, "a", "r+b")]
        """,
        answers=[["went through", True, 0, "EACCES"]],
    ),
    Attack(
        what="run a set-uid program of the host",
        stopped_by=Layer.CAPABILITIES,
        code=f"""
        import subprocess
        users = set()
        for path in {_SET_UID[:4]!r}:
            program = subprocess.Popen([path, "--version"], stdout=-3, stderr=-3)
            os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)  # dead, but not buried: its user can be seen
            users |= {{line for line in open(f"/proc/{{program.pid}}/status") if line.startswith("Uid")}}
            program.wait()
        users
        """,
        answers=[{"Uid:\t1000\t1000\t1000\t1000\n"} if _SET_UID else set()],
    ),
    Attack(
        what="make a set-uid program of its own",
        stopped_by=Layer.WORKSPACE,
        code="""
        import shutil, subprocess
        answer = []
        for folder in ("/mnt/data", "/home/user", "/tmp", "/dev/shm"):
            path = shutil.copy("/usr/bin/id", folder)
            os.chmod(path, 0o6755)
            answer.append((oct(os.stat(path).st_mode), attempt(subprocess.run, [path])))
        set(answer)
        """,
        answers=[{("0o106755", "EACCES")}],
    ),
    Attack(
        what="run a program that it has written",
        stopped_by=Layer.WORKSPACE,
        code="""
        import shutil, subprocess
        answer = []
        for folder in ("/mnt/data", "/home/user", "/tmp", "/dev/shm"):
            program, script = shutil.copy("/usr/bin/true", folder), f"{folder}/script"
            with open(script, "w") as file: file.write("#!/bin/sh\\n")
            os.chmod(script, 0o755)
            answer += [attempt(subprocess.run, [program]), attempt(subprocess.run, [script])]
        set(answer)
        """,
        answers=[{"EACCES"}],
    ),
    Attack(
        what="have the linker load a program or a library that it has written",
        stopped_by=Layer.WORKSPACE,
        code="""
        import ctypes, glob, mmap, shutil, subprocess
        linker = glob.glob("/lib*/ld-linux*")[0]
        program = shutil.copy("/usr/bin/true", "/tmp")
        library = next(line.split()[-1] for line in open("/proc/self/maps") if "libc.so" in line)
        shutil.copy(library, "library.so")
        mapped = attempt(mmap.mmap, os.open(program, os.O_RDONLY), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
        ran = subprocess.run([linker, program], capture_output=True)
        loaded = attempt(ctypes.CDLL, "/mnt/data/library.so")
        [mapped, ran.returncode, b"failed to map" in ran.stderr, "failed to map" in loaded]
        """,
        answers=[["EPERM", 127, True, True]],
    ),
    Attack(
        what="shake off its limits by running a program out of memory",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import subprocess
        fd = os.memfd_create("program")
        os.write(fd, open("/usr/bin/grep", "rb").read())
        command = [f"/proc/self/fd/{fd}", "-hE", "^(CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status"]
        subprocess.run(command, pass_fds=[fd], capture_output=True, text=True).stdout.split()
        """,
        answers=[["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]],
    ),
    Attack(
        what="give a file of its own a capability, another owner or a trusted attribute",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import struct
        open("f", "w").close()
        everything = struct.pack("<5I", 0x02000001, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        attributes = [attempt(os.setxattr, "f", name, everything) for name in ("security.capability", "trusted.x")]
        owners = {attempt(os.chown, "f", owner, owner) for owner in (0, 1, 65534, 0x70000000)}
        [attributes, owners <= {"EPERM", "EINVAL"}, attempt(os.setxattr, "f", "user.x", b"")]
        """,
        answers=[[["EPERM", "EPERM"], True, "went through"]],
    ),
    Attack(
        what="fill the disk with a file that has no name",
        stopped_by=Layer.WORKSPACE,
        code="""
        files = [os.open(folder, os.O_TMPFILE | os.O_RDWR) for folder in ("/mnt/data", "/tmp", "/dev/shm")]
        written, piece = 0, bytes(1 << 20)
        for fd in files:
            while (how := attempt(os.write, fd, piece)) == "went through" and written < 64: written += 1
        [how, written <= 16]
        """,
        answers=[["ENOSPC", True]],
    ),
    Attack(
        what="fill the kernel's memory with attributes of a file",
        stopped_by=Layer.WORKSPACE,
        code="""
        open("f", "w").close()
        count = 0
        while (how := attempt(os.setxattr, "f", f"user.{count}", bytes(60000))) == "went through": count += 1
        [how, count * 60000 <= 1 << 20]
        """,
        # A kernel before 6.6 has none on this file system.
        answers=[["ENOSPC", True], ["ENOTSUP", True]],
    ),
    Attack(
        what="use up the host's inodes with files, folders, links and pipes",
        stopped_by=Layer.WORKSPACE,
        code="""
        open("/tmp/f", "w").close()
        ways = (os.mkfifo, os.mkdir, lambda path: os.symlink("x", path), lambda path: os.link("/tmp/f", path))
        made, answer = 0, []
        for way in ways:
            while (how := attempt(way, f"/tmp/{made}")) == "went through" and made < 4096: made += 1
            answer.append(how)
        [answer, made <= 1024]
        """,
        answers=[[["ENOSPC"] * 4, True]],
    ),
)


@tried(ATTACKS)
async def test_mounts(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
