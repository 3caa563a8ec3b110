"""/proc, /sys, and what else could tell of the host and of others"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.attacks.asking import ask
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand
from tests.isolation.test_wall import ENVIRONMENT

_SERVER = os.getpid()
_PLACES = (str(Path(__file__).parent), f"{tempfile.gettempdir()}/pytest", "/var/", "/boot", "/dev/pts")
# Cut in two, so that the program that searches for them does not find itself.
_NEEDLES = (("the-neighbours", "-key"), ("7f3c-the-", "neighbours-secret"), ("PYTEST_CURR", "ENT_TEST"))

# A file is written to at once, so that a refusal of the kernel's is heard.
_WRITE = """
        def write(name, data):
            with open(f"/proc/self/{name}", "wb", buffering=0) as file: file.write(data)"""

ATTACKS = (
    Attack(
        what="reach the agent's root, folder and namespaces by its links",
        stopped_by=Layer.AGENT,
        code="""
        links = ("root", "cwd", "exe", "fd/3", *(f"ns/{name}" for name in os.listdir("/proc/self/ns")))
        ways = (os.readlink, os.stat, lambda path: os.open(path, os.O_PATH))
        {attempt(way, f"/proc/1/{link}") for link in links for way in ways}
        """,
        answers=[{"EACCES"}],
    ),
    Attack(
        what="list the processes of the host",
        stopped_by=Layer.NAMESPACES,
        code=f"""
        shown = {{int(name) for name in os.listdir("/proc") if name.isdigit()}}
        there = {{number for number in range(1, 2048) if os.path.exists(f"/proc/{{number}}")}}
        server = attempt(os.listdir, "/proc/{_SERVER}") if {_SERVER} not in (1, os.getpid()) else "ENOENT"
        [shown == there == {{1, os.getpid()}}, os.getppid(), server]
        """,
        answers=[[True, 0, "ENOENT"]],
    ),
    Attack(
        what="learn from the table of mounts how the host is laid out",
        stopped_by=Layer.NAMESPACES,
        code=f"""
        text = "".join(open(f"/proc/self/{{name}}").read() for name in ("mountinfo", "mounts", "mountstats"))
        kinds = {{line.partition(" - ")[2].split()[0] for line in open("/proc/self/mountinfo")}}
        foreign = "sysfs cgroup cgroup2 securityfs debugfs tracefs devpts mqueue bpf configfs fusectl efivarfs autofs"
        ties = [word for word in ("shared:", "master:", "propagate_from:") if word in text]
        [[place for place in {_PLACES!r} if place in text], kinds & set(foreign.split()), ties]
        """,
        answers=[[[], set(), []]],
    ),
    Attack(
        what="read the kernel's symbols, memory, keys, log and tables",
        stopped_by=Layer.PROC,
        code="""
        names = '''
            kallsyms kcore kmsg keys key-users sched_debug timer_list slabinfo vmallocinfo modules iomem ioports
            interrupts cmdline version config.gz cpuinfo meminfo stat loadavg uptime partitions diskstats filesystems
            swaps mounts net/tcp bus/pci/devices kpagecount kpageflags kpagecgroup pagetypeinfo zoneinfo buddyinfo
            cgroups locks pressure/memory scsi/scsi tty/drivers irq fs crypto consoles softirqs vmstat sysvipc/shm
        '''
        [{attempt(open, f"/proc/{name}") for name in names.split()}, sorted(os.listdir("/proc"))[2:]]
        """,
        answers=[[{"ENOENT"}, ["self", "thread-self"]]],
    ),
    Attack(
        what="turn the kernel's switches by /proc/sys and sysrq-trigger",
        stopped_by=Layer.PROC,
        code="""
        names = "sys/kernel/hostname sys/kernel/randomize_va_space sys/vm/overcommit_memory sysrq-trigger"
        {attempt(open, f"/proc/{name}", mode) for name in names.split() for mode in "rw"}
        """,
        answers=[{"ENOENT"}],
    ),
    Attack(
        what="have the kernel run a program of its own for core dumps or modules",
        stopped_by=Layer.PROC,
        code="""
        names = "core_pattern modprobe hotplug poweroff_cmd usermodehelper/inheritable"
        binfmt = "/proc/sys/fs/binfmt_misc/register"
        {attempt(open, path, "w") for path in (binfmt, *(f"/proc/sys/kernel/{name}" for name in names.split()))}
        """,
        answers=[{"ENOENT"}],
    ),
    Attack(
        what="read /sys: network cards, firmware, devices, kernel",
        stopped_by=Layer.ROOT,
        code="""
        names = "class/net class/dmi/id/product_uuid devices/system/cpu block bus kernel/debug firmware module"
        [{attempt(os.stat, path) for path in ("/sys", *(f"/sys/{name}" for name in names.split()))},
         syscall("mount", b"none", b"/tmp", b"sysfs", 0, None)]
        """,
        answers=[[{"ENOENT"}, "EPERM"]],
    ),
    Attack(
        what="identify the machine by its ids, names and name servers",
        stopped_by=Layer.ROOT,
        code="""
        ids = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id")
        made_up = [open(path).read() for path in ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")]
        [{attempt(open, path) for path in ids}, made_up]
        """,
        answers=[[{"ENOENT"}, ["insitu\n", "127.0.0.1 localhost insitu\n::1 localhost\n", ""]]],
    ),
    Attack(
        what="learn the host's name, or rename it",
        stopped_by=Layer.NAMESPACES,
        code="""
        import platform, socket
        names = {os.uname().nodename, platform.node(), socket.gethostname()}
        [names, syscall("sethostname", b"x", 1), syscall("setdomainname", b"x", 1)]
        """,
        answers=[[{"insitu"}, "EPERM", "EPERM"]],
    ),
    Attack(
        what="open what the server has open, by the links of its own descriptors",
        stopped_by=Layer.DESCRIPTORS,
        code="""
        links = set()
        for number in os.listdir("/proc/self/fd"):
            try: links.add(os.readlink(f"/proc/self/fd/{number}").split(":")[0])
            except FileNotFoundError: pass  # the descriptor by which the folder was read
        sorted(links)
        """,
        answers=[["/dev/null", "pipe"]],
    ),
    Attack(
        what="leave by its own links to root, folder and descriptors",
        stopped_by=Layer.ROOT,
        code="""
        folder = os.open("/mnt/data", os.O_RDONLY)
        ways = ("self/root", "self/cwd", f"self/fd/{folder}", "thread-self/root", f"self/task/{os.getpid()}/cwd")
        up = "../" * 16
        [{attempt(open, f"/proc/{way}/{up}etc/shadow") for way in ways},
         all(os.path.samefile(f"/proc/{way}/{up}", "/") for way in ways)]
        """,
        answers=[[{"ENOENT"}, True]],
    ),
    Attack(
        what="open mapped files anew by /proc/self/map_files",
        stopped_by=Layer.CAPABILITIES,
        code="""
        folder = "/proc/self/map_files"
        names = os.listdir(folder)
        [len(names) > 3, {attempt(os.open, f"{folder}/{name}", flags) for name in names for flags in (0, os.O_RDWR)}]
        """,
        answers=[[True, {"EPERM"}]],
    ),
    Attack(
        what="climb to the namespaces that its own are in",
        stopped_by=Layer.SECCOMP,
        code="""
        import fcntl
        spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in os.listdir("/proc/self/ns")]
        # NS_GET_USERNS, NS_GET_PARENT, NS_GET_NSTYPE, NS_GET_OWNER_UID, NS_GET_MNTNS_ID, NS_MNT_GET_NEXT
        calls = (0xB701, 0xB702, 0xB703, 0xB704, 0x8008B705, 0x8010B70B)
        [{attempt(fcntl.ioctl, space, call, bytearray(64)) for space in spaces for call in calls},
         {syscall("setns", space, 0) for space in spaces}]
        """,
        answers=[[{"ENOTTY"}, {"EPERM"}]],
    ),
    Attack(
        what="learn where its pages lie in the machine's memory",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import struct
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            file.seek(id(os) // os.sysconf("SC_PAGE_SIZE") * 8)
            page, = struct.unpack("Q", file.read(8))
        [page >> 63, page & (1 << 55) - 1]
        """,
        answers=[[1, 0]],
    ),
    Attack(
        what="learn addresses of the kernel from its own entries",
        stopped_by=Layer.CAPABILITIES,
        code="""
        import re
        stack = attempt(lambda: open("/proc/self/stack").read())
        files = "wchan stat sched syscall maps timers net/unix net/tcp net/packet net/netlink"
        text = "".join(open(f"/proc/self/{name}").read() for name in files.split())
        [stack, [number for number in re.findall(r"\\b[0-9a-f]{16}\\b", text) if number.startswith("ffff")]]
        """,
        answers=[
            ["EACCES", []],
            # The page that some processors' kernels show to every process, at one address on all machines.
            ["EACCES", ["ffffffffff600000", "ffffffffff601000"]],
        ],
    ),
    Attack(
        what="see the host's connections, routes and neighbours in /proc/self/net",
        stopped_by=Layer.NETWORK,
        code="""
        tables = "tcp tcp6 udp udp6 raw raw6 unix packet route arp"
        devices = [line.split(":")[0].strip() for line in open("/proc/self/net/dev").readlines()[2:]]
        [{len(open(f"/proc/self/net/{name}").readlines()) for name in tables.split()}, devices]
        """,
        answers=[[{1}, ["lo"]]],
    ),
    Attack(
        what="search all of /proc for keys, secrets and names of the server",
        stopped_by=Layer.PROC,
        code=f"""
        needles = [(one + two).encode() for one, two in {_NEEDLES!r}] + [f"insitu-{{{_SERVER}}}-".encode()]
        found, read = [], 0
        for top in ("/proc/self", "/proc/1"):
            for folder, _, names in os.walk(top):
                for name in names:
                    if name in ("mem", "pagemap") or folder.endswith("/fd"): continue
                    try:
                        with open(f"{{folder}}/{{name}}", "rb") as file: text = file.read(1 << 20)
                    except OSError: continue
                    read += 1
                    found += [(folder, name) for needle in needles if needle in text]
        [found, read > 100]
        """,
        answers=[[[], True]],
    ),
    Attack(
        what="write to its own memory past its protection, by /proc/self/mem",
        stopped_by=Layer.LANDLOCK,
        code="""
        text = next(line for line in open("/proc/self/maps") if "r-xp" in line)
        def write():
            with open("/proc/self/mem", "r+b", buffering=0) as file:
                file.seek(int(text.split("-")[0], 16))
                file.write(b"\\xcc")
        [attempt(write), *(attempt(open, f"/proc/{who}/mem", "r+b") for who in (f"self/task/{os.getpid()}", 1))]
        """,
        answers=[["EACCES"] * 3],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="rename itself by /proc, which is a write outside of the workspace",
        stopped_by=Layer.LANDLOCK,
        code="attempt(open, '/proc/self/comm', 'w')",
        answers=["EACCES"],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="be killed last when memory runs out, by its own score",
        stopped_by=Layer.LANDLOCK,
        code=f"""{_WRITE}
        scores = {{attempt(write, name, b"-17") for name in ("oom_score_adj", "oom_adj")}}
        [scores, attempt(write, "oom_score_adj", b"0"), open("/proc/self/oom_score_adj").read()]
        """,
        answers=[[{"EACCES"}, "EACCES", "500\n"]],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="log in as somebody in the host's audit",
        stopped_by=Layer.LANDLOCK,
        code=f"""{_WRITE}
        attempt(write, "loginuid", b"1000")
        """,
        # A kernel without audit has no such file.
        answers=["EACCES", "ENOENT"],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="write into anything of /proc",
        stopped_by=Layer.LANDLOCK,
        code="""
        answer = set()
        for top in ("/proc/self", "/proc/1"):
            for folder, _, names in os.walk(top):
                if folder.rpartition("/")[2] not in ("fd", "ns", "map_files"):
                    paths = [f"{folder}/{name}" for name in names if name not in ("cwd", "root", "exe")]
                    answer |= {attempt(os.open, path, flags) for path in paths for flags in (os.O_WRONLY, os.O_RDWR)}
        answer - {"ENOENT"}  # the descriptor by which a folder of descriptors was read
        """,
        answers=[{"EACCES"}],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="map itself to root, or shift its clock, by /proc",
        stopped_by=Layer.LANDLOCK,
        code=f"""{_WRITE}
        maps = {{attempt(write, name, b"0 0 1") for name in ("uid_map", "gid_map", "projid_map")}}
        maps |= {{attempt(write, "setgroups", b"allow"), attempt(write, "timens_offsets", b"monotonic 1 0")}}
        maps <= {{"EACCES", "EPERM"}}
        """,
        answers=[True],
    ),
    Attack(
        what="learn from the page cache what others read, and evict it to learn it again",
        stopped_by=Layer.SECCOMP,
        code="""
        fd = os.open(os.__file__, os.O_RDONLY)
        asked = attempt(os.preadv, fd, [bytearray(1)], 0, os.RWF_NOWAIT)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        [asked, os.preadv(fd, [bytearray(1)], 0, os.RWF_HIPRI) + os.preadv(fd, [bytearray(1)], 0)]
        """,
        answers=[["EOPNOTSUPP", 2], ["ENOTSUP", 2]],
    ),
)


@tried(ATTACKS)
async def test_proc(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("read the server's environment variables in its own", Layer.ZYGOTE)
async def test_the_servers_variables_are_not_inherited(stand: Stand) -> None:
    code = """
        own = [entry.split("=")[0] for entry in open("/proc/self/environ").read().split("\\0") if entry]
        sorted({*own, *os.environ})
        """
    async with stand.unharmed(), stand.client() as client:
        names = await ask(client, code)
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert set(names) == ENVIRONMENT
