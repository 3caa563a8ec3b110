"""What code in a sandbox sees, and what it may do."""

from __future__ import annotations

import os
import platform
import socket
import sys
from pathlib import Path

import pytest

from insitu.engine import Engine
from insitu.guest import linux
from tests.support.guest import Guest

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
ENVIRONMENT = {
    "BLIS_NUM_THREADS",
    "HOME",
    "IPYTHONDIR",
    "JE_ARROW_MALLOC_CONF",
    "LANG",
    "LOGNAME",
    "MKL_NUM_THREADS",
    "PYTHONDONTWRITEBYTECODE",
    "MPLCONFIGDIR",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PATH",
    "POLARS_MAX_THREADS",
    "PWD",
    "RAYON_NUM_THREADS",
    "TMPDIR",
    "USER",
    "VECLIB_MAXIMUM_THREADS",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
}


async def test_the_hosts_files_are_out_of_sight(guest: Guest, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host", encoding="utf-8")
    paths = [str(secret), str(tmp_path), __file__, str(Path.cwd() / "pyproject.toml"), str(Path.home() / ".bashrc")]
    paths += ["/etc/shadow", "/sys", "/boot", "/var/log", "/var/run", "/run/systemd", "/dev/kmsg"]
    assert await guest.ask(f"answer = [path for path in {paths!r} if os.path.exists(path)]") == []


async def test_the_users_of_the_host_are_out_of_sight(guest: Guest) -> None:
    names = await guest.ask("import pwd; answer = [entry.pw_name for entry in pwd.getpwall()]")
    assert names == ["root", "user"]


async def test_the_root_cannot_be_written(guest: Guest) -> None:
    folders = ["/", "/etc", "/usr", "/usr/bin", "/usr/lib", "/run", "/run/insitu/insitu_guest", "/mnt", "/home", "/dev"]
    folders += [os.path.dirname(os.__file__), os.path.dirname(pytest.__file__), f"{sys.prefix}/bin"]
    attempts = [f"open({folder + '/x'!r}, 'w')" for folder in folders if folder != "/"] + ["open('/x', 'w')"]
    attempts += [
        "os.mkdir('/x')",
        "os.remove('/etc/passwd')",
        "os.chmod('/etc/passwd', 0o777)",
        "os.rmdir('/mnt/data')",
    ]
    assert set((await guest.refusals(attempts)).values()) <= {"EROFS", "EACCES", "EPERM"}


async def test_every_mount_is_read_only_or_of_the_sandbox(guest: Guest) -> None:
    lines = await guest.ask("answer = open('/proc/self/mountinfo').read().splitlines()")
    mounts = {line.split()[4]: set(line.split()[5].split(",")) for line in lines}
    writable = {path for path, options in mounts.items() if "rw" in options}
    assert writable == {"/mnt/data", "/home/user", "/tmp", "/dev/shm", "/proc"}
    assert [path for path, options in mounts.items() if "nosuid" not in options] == []
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
    assert {path for path, options in mounts.items() if "nodev" not in options} == devices
    assert [path for path in writable | devices if "noexec" not in mounts[path]] == []


async def test_the_devices_are_few(guest: Guest) -> None:
    assert set(await guest.ask("answer = os.listdir('/dev')")) == {
        *("fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero")
    }


async def test_the_workspace_has_two_names_and_one_file_system(fresh: Guest) -> None:
    answer = await fresh.ask(
        """
        open("/mnt/data/a", "w").write("x")
        one, two = os.stat("/mnt/data/a"), os.stat("/home/user/a")
        same = [one.st_dev == two.st_dev, one.st_ino == two.st_ino]
        answer = [open("/home/user/a").read(), *same, os.getcwd(), os.path.expanduser("~")]
        """
    )
    assert answer == ["x", True, True, "/mnt/data", "/home/user"]


async def test_what_is_writable_is_private(guest: Guest, fresh: Guest) -> None:
    paths = ["/mnt/data/x", "/home/user/y", "/tmp/x", "/dev/shm/x"]
    await fresh.ask(f"answer = [open(path, 'w').write('x') for path in {paths!r}]")
    assert await guest.ask(f"answer = [path for path in {paths!r} if os.path.exists(path)]") == []
    assert await guest.ask("answer = os.listdir('/dev/shm')") == []


async def test_nothing_that_was_written_can_be_executed(fresh: Guest) -> None:
    answer = await fresh.ask(
        """
        import mmap, shutil, subprocess
        answer = []
        for folder in ("/mnt/data", "/home/user", "/tmp", "/dev/shm"):
            path = shutil.copy("/usr/bin/true", folder)
            os.chmod(path, 0o6755)
            answer.append(refused(subprocess.run, [path]))
            with open(path, "rb") as file:
                executable = mmap.PROT_READ | mmap.PROT_EXEC
                answer.append(refused(lambda: mmap.mmap(file.fileno(), 0, prot=executable)))
        """
    )
    assert answer == ["EACCES", "EPERM"] * 4


async def test_proc_shows_the_sandboxs_own_processes_alone(guest: Guest) -> None:
    answer = await guest.ask(
        "names = os.listdir('/proc'); pids = sorted(int(name) for name in names if name.isdigit())\n"
        "answer = [pids == sorted({1, os.getpid()}), sorted(name for name in names if not name.isdigit())]"
    )
    assert answer == [True, ["self", "thread-self"]]


async def test_it_has_no_privileges(guest: Guest) -> None:
    status = await guest.ask("answer = dict(line.split(':\\t', 1) for line in open('/proc/self/status'))")
    assert {
        name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    } == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    assert set(status["Groups"].split()) <= {"65534"}
    assert status["NSpid"].split() == [status["Pid"].strip()]


async def test_it_cannot_become_anyone_else(guest: Guest) -> None:
    attempts = ["os.setuid(0)", "os.setresuid(0, 0, 0)", "os.setgid(0)", "os.setgroups([0])", "os.chroot('/tmp')"]
    # Rootless, there is no user but its own: the others are not even ids.
    assert set((await guest.refusals(attempts)).values()) <= {"EPERM", "EINVAL"}


async def test_it_has_namespaces_of_its_own(guest: Guest, fresh: Guest) -> None:
    code = f"answer = {{name: os.readlink(f'/proc/self/ns/{{name}}') for name in {NAMESPACES!r}}}"
    host = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    one, two = await guest.ask(code), await fresh.ask(code)
    for name in NAMESPACES:
        assert len({host[name], one[name], two[name]}) == 3, name


async def test_it_can_make_no_namespaces(guest: Guest) -> None:
    flags = (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000)
    answer = await guest.ask(f"answer = [refused_by_libc('unshare', flag) for flag in {flags}]")
    assert answer == ["EPERM"] * 7


async def test_its_ids_are_mapped_one_by_one(guest: Guest) -> None:
    for name in ("uid_map", "gid_map"):
        extents = [line.split() for line in await guest.ask(f"answer = open('/proc/self/{name}').readlines()")]
        assert {count for _, _, count in extents} == {"1"}
        assert {inside for inside, _, _ in extents} <= {"0", "1000"}


async def test_landlock_keeps_it_from_what_its_user_could_write(guest: Guest) -> None:
    attempts = [
        "open('/proc/self/comm', 'w')",
        "open('/proc/self/mem', 'r+b')",
        "open('/proc/self/oom_score_adj', 'w')",
    ]
    assert set((await guest.refusals(attempts)).values()) == {"EACCES"}


async def test_it_has_no_descriptors_but_its_own(guest: Guest) -> None:
    answer = await guest.ask(
        """
        answer = {}
        for number in range(4096):
            try: answer[number] = os.readlink(f"/proc/self/fd/{number}").split(":")[0]
            except FileNotFoundError: pass
        """
    )
    assert answer == {"0": "/dev/null", **dict.fromkeys("1234", "pipe")}


async def test_its_environment_is_an_allow_list(guest: Guest) -> None:
    assert set(await guest.ask("answer = list(os.environ)")) == ENVIRONMENT
    start = await guest.ask("answer = open('/proc/self/environ').read().split('\\0')")
    assert {entry.split("=")[0] for entry in start if entry} <= ENVIRONMENT


async def test_it_has_a_name_of_its_own(guest: Guest) -> None:
    assert await guest.ask("import platform; answer = [os.uname().nodename, platform.node()]") == ["insitu", "insitu"]
    assert platform.node() != "insitu"


async def test_it_reaches_no_network(guest: Guest) -> None:
    answer = await guest.ask(
        """
        import socket
        answer = []
        for address in ("192.0.2.1", "169.254.169.254", "10.0.0.1"):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s: answer.append(refused(s.connect, (address, 53)))
        """
    )
    assert answer == ["ENETUNREACH"] * 6
    lookup = await guest.run("import socket; socket.getaddrinfo('example.com', 80)")
    assert lookup.error is not None
    assert lookup.error.name == "gaierror"


async def test_it_reaches_no_server_of_the_host(guest: Guest) -> None:
    name = f"\0insitu-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(name)
        unix.listen()
        answer = await guest.ask(
            f"""
            import socket
            with socket.socket() as s: one = refused(s.connect, ("127.0.0.1", {tcp.getsockname()[1]}))
            with socket.socket(socket.AF_UNIX) as s: two = refused(s.connect, {name!r})
            answer = [one, two]
            """
        )
    assert answer == ["ECONNREFUSED", "ECONNREFUSED"]


async def test_it_has_no_other_kinds_of_sockets(guest: Guest) -> None:
    kinds = {"AF_NETLINK": "SOCK_RAW", "AF_PACKET": "SOCK_RAW", "AF_VSOCK": "SOCK_STREAM", "AF_ALG": "SOCK_SEQPACKET"}
    attempts = [
        f"__import__('socket').socket(__import__('socket').{a}, __import__('socket').{b})" for a, b in kinds.items()
    ]
    attempts.append("__import__('socket').socket(2, 3)")
    assert set((await guest.refusals(attempts)).values()) <= {"EPERM", "EAFNOSUPPORT", "EACCES"}


async def test_its_own_loopback_works(guest: Guest) -> None:
    answer = await guest.ask(
        """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server:
            with socket.create_connection(server.getsockname()) as client:
                client.sendall(b"ping")
                answer = server.accept()[0].recv(4).decode()
        """
    )
    assert answer == "ping"


async def test_random_numbers_differ_between_sandboxes(guest: Guest, fresh: Guest) -> None:
    code = """
        import numpy, random, secrets, ssl, tempfile, uuid
        answer = {
            "random": random.random(),
            "numpy": numpy.random.rand(),
            "generator": numpy.random.default_rng().random(),
            "uuid1": str(uuid.uuid1()),
            "uuid4": str(uuid.uuid4()),
            "secrets": secrets.token_hex(),
            "ssl": ssl.RAND_bytes(8).hex(),
            "urandom": os.urandom(8).hex(),
            "tempfile": tempfile.mktemp(),
        }
    """
    one, two = await guest.ask(code), await fresh.ask(code)
    assert [name for name in one if one[name] == two[name]] == []


async def test_layers_are_reported_as_they_are(engine: Engine, guest: Guest) -> None:
    layers = guest.session.info().layers
    assert layers == engine.layers
    assert set(layers) == {"namespaces", "users", "cgroups", "landlock", "seccomp"}
    assert layers["landlock"] == f"abi {linux.landlock_abi()}"
    assert layers["seccomp"] == "allow-list"
    assert layers["namespaces"].split(", ") == ["user", "mount", "pid", "net", "ipc", "uts", "cgroup"]
    own_ids = await guest.ask("answer = len(open('/proc/self/uid_map').readlines()) == 2")
    assert layers["users"] == ("of its own" if own_ids else "the server's")
