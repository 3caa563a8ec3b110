"""Control groups of both versions.

Version 2, and mixes of both, are tried on fake trees of plain files only: this shows which files are written and
with what, not that a kernel takes it. Version 1, or whatever the machine has, is tried for real at the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.engine import Engine
from insitu.isolation.process.cgroup import Group, Tree
from insitu.isolation.process.doctor import check_cgroups
from insitu.isolation.process.hierarchies import Hierarchy, find_hierarchies
from insitu.types import GIB, MIB, Limits

V2_MOUNT = "29 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
OTHER_MOUNTS = "22 1 0:5 / /proc rw - proc proc rw\n23 1 8:1 / / rw - ext4 /dev/root rw\n"
V1_MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
)
V1_MEMBERSHIP = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/one\n2:cpu,cpuacct:/\n"
HYBRID_MOUNT = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
V2_CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")


def fake(root: Path, mountinfo: str, membership: str, **controllers: str) -> Path:
    """A machine's files: what it says of itself, and ``cgroup.controllers`` by folder below the mounts."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(OTHER_MOUNTS + mountinfo, encoding="utf-8")
    (root / "proc/self/cgroup").write_text(membership, encoding="utf-8")
    for name in ("cpu,cpuacct", "memory/jobs/one", "pids", "systemd", "unified", "user.slice/app"):
        (root / "sys/fs/cgroup" / name).mkdir(parents=True)
    for folder, text in controllers.items():
        path = root / "sys/fs/cgroup" / folder.replace("__", "/").replace("_", ".") / "cgroup.controllers"
        path.write_text(text, encoding="utf-8")
    return root / "sys/fs/cgroup"


def found(root: Path) -> list[Hierarchy]:
    own = root / "proc/self"
    return find_hierarchies(own.joinpath("mountinfo").read_text(), own.joinpath("cgroup").read_text(), root)


def made(root: Path, total: int = GIB) -> Tree:
    tree = Tree.make(total, root)
    assert tree is not None
    return tree


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """The group of a server on a machine with version 2 alone."""
    top = fake(tmp_path, V2_MOUNT, "0::/user.slice/app\n", user_slice__app="cpuset cpu io memory hugetlb pids\n")
    return top / "user.slice/app"


def test_version_2_has_all_in_one_tree(tmp_path: Path, v2: Path) -> None:
    assert found(tmp_path) == [Hierarchy(2, v2, V2_CONTROLLERS)]


def test_version_1_has_a_tree_for_each(tmp_path: Path) -> None:
    top = fake(tmp_path, V1_MOUNTS, V1_MEMBERSHIP)
    assert found(tmp_path) == [
        Hierarchy(1, top / "cpu,cpuacct", ("cpu", "cpuacct")),
        Hierarchy(1, top / "memory/jobs/one", ("memory",)),
        Hierarchy(1, top / "pids", ("pids",)),
    ]


def test_a_tree_of_version_2_that_offers_nothing_is_passed_over(tmp_path: Path) -> None:
    fake(tmp_path, V1_MOUNTS + HYBRID_MOUNT, f"{V1_MEMBERSHIP}0::/\n", unified="hugetlb\n")
    assert {hierarchy.version for hierarchy in found(tmp_path)} == {1}


def test_each_controller_is_taken_from_where_it_lives(tmp_path: Path) -> None:
    mounts = "".join(line for line in V1_MOUNTS.splitlines(True) if "pids" not in line)
    top = fake(tmp_path, mounts + HYBRID_MOUNT, f"{V1_MEMBERSHIP}0::/\n", unified="hugetlb pids\n")
    assert found(tmp_path)[-1] == Hierarchy(2, top / "unified", ("pids",))
    assert made(tmp_path).describe() == "v1: cpu, memory; v2: pids"


def test_a_container_sees_its_own_part_of_the_tree(tmp_path: Path) -> None:
    mount = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    top = fake(tmp_path, mount, "4:memory:/docker/abc\n")
    assert found(tmp_path) == [Hierarchy(1, top / "memory", ("memory",))]


def test_without_a_controller_of_memory_there_are_no_groups(tmp_path: Path) -> None:
    fake(tmp_path, V2_MOUNT, "0::/user.slice/app\n", user_slice__app="cpu pids\n")
    assert Tree.make(GIB, tmp_path) is None


def test_without_any_tree_there_are_no_groups(tmp_path: Path) -> None:
    fake(tmp_path, "", "0::/\n")
    assert Tree.make(GIB, tmp_path) is None


def test_controllers_are_handed_down_to_the_groups(tmp_path: Path, v2: Path) -> None:
    tree = made(tmp_path, total=3 * GIB)
    top = v2 / tree.name
    assert re.fullmatch(rf"insitu-{os.getpid()}-[0-9a-f]{{8}}", tree.name)
    assert tree.tops == [str(top)]
    assert (v2 / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert (top / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert (top / "memory.max").read_text() == str(3 * GIB)
    assert (top / "base").is_dir()
    assert tree.describe() == "v2: memory, pids, cpu"


def test_a_server_in_the_way_steps_aside(tmp_path: Path, v2: Path) -> None:
    # A link into a folder that is not there yet refuses to be written, as the kernel does while we are in the group.
    (v2 / "cgroup.subtree_control").symlink_to("insitu-server/handed-down")
    tree = made(tmp_path)
    assert (v2 / "insitu-server/cgroup.procs").read_text() == str(os.getpid())
    assert (v2 / "insitu-server/handed-down").read_text() == "+memory +pids +cpu"
    assert tree.tops == [str(v2 / tree.name)]


def test_a_server_that_has_stepped_aside_makes_its_groups_above(tmp_path: Path, v2: Path) -> None:
    (v2 / "insitu-server").mkdir()
    (v2 / "insitu-server/cgroup.controllers").write_text("memory pids cpu")
    (tmp_path / "proc/self/cgroup").write_text("0::/user.slice/app/insitu-server\n")
    tree = made(tmp_path)
    assert tree.tops == [str(v2 / tree.name)]


def verdicts(root: Path) -> set[tuple[str, str]]:
    return {(check.status, check.found) for check in check_cgroups(root)}


def test_the_doctor_calls_well_what_the_engine_can_use(tmp_path: Path, v2: Path) -> None:
    assert verdicts(tmp_path) == {("ok", f"v2, {v2}")}
    (v2 / "cgroup.type").write_text("domain\n")
    (v2 / "cgroup.procs").write_text(f"{os.getpid()}\n")
    assert verdicts(tmp_path) == {("ok", f"v2, {v2}")}


def test_the_doctor_sees_who_is_in_the_way(tmp_path: Path, v2: Path) -> None:
    (v2 / "cgroup.type").write_text("domain\n")
    (v2 / "cgroup.procs").write_text(f"1\n{os.getpid()}\n2\n")
    assert verdicts(tmp_path) == {("warn", f"v2, {v2} holds other processes, 2 of them")}
    assert all("systemd-run" in check.mend for check in check_cgroups(tmp_path))


async def test_the_doctor_says_what_the_engine_does(engine: Engine) -> None:
    warned = any(check.status == "warn" for check in check_cgroups() if check.name == "cgroup memory")
    assert engine.layers["cgroups"].startswith("none") == warned


def test_where_others_are_in_the_way_there_are_no_groups(tmp_path: Path, v2: Path) -> None:
    (v2 / "cgroup.subtree_control").mkdir()
    assert Tree.make(GIB, tmp_path) is None
    assert [
        path.name for path in v2.iterdir() if path.name.startswith("insitu-") and path.name != "insitu-server"
    ] == []


LIMITS = Limits(memory_bytes=300 * MIB, processes=17, cpus=1.5)


def test_limits_of_version_2_are_written_exactly(tmp_path: Path, v2: Path) -> None:
    tree = made(tmp_path)
    group = tree.group("s1")
    folder = v2 / tree.name / "s1"
    assert group.paths() == [folder]
    for name in ("memory.swap.max", "memory.oom.group"):
        (folder / name).touch()
    group.limit(LIMITS)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "memory.max": str(300 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "0",
        "pids.max": "17",
        "cpu.max": "150000 100000",
    }


def test_limits_of_version_1_are_written_exactly(tmp_path: Path) -> None:
    top = fake(tmp_path, V1_MOUNTS, V1_MEMBERSHIP)
    tree = made(tmp_path)
    group = tree.group("s1")
    memory = top / "memory/jobs/one" / tree.name / "s1"
    (memory / "memory.memsw.limit_in_bytes").touch()
    (memory / "memory.kmem.tcp.limit_in_bytes").touch()
    group.limit(LIMITS)
    written = {path.name: path.read_text() for folder in group.paths() for path in folder.iterdir()}
    assert written == {
        "memory.limit_in_bytes": str(300 * MIB),
        "memory.memsw.limit_in_bytes": str(300 * MIB),
        "memory.kmem.tcp.limit_in_bytes": str(300 * MIB // 8),
        "pids.max": "17",
        "cpu.cfs_quota_us": "150000",
    }


def test_files_that_a_kernel_lacks_are_not_made(tmp_path: Path, v2: Path) -> None:
    tree = made(tmp_path)
    tree.group("s1").limit(LIMITS)
    assert {path.name for path in (v2 / tree.name / "s1").iterdir()} == {"memory.max", "pids.max", "cpu.max"}


def test_processes_join_by_the_file_of_their_version(tmp_path: Path, v2: Path) -> None:
    tree = made(tmp_path)
    group = tree.group("s1")
    (v2 / tree.name / "s1/cgroup.procs").touch()
    members = group.open_members()
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in members] == [str(v2 / tree.name / "s1/cgroup.procs")]
    for fd in members:
        os.write(fd, b"0")
        os.close(fd)
    assert (v2 / tree.name / "s1/cgroup.procs").read_text() == "0"


def lone(folder: Path, version: int) -> Group:
    return Group(dict.fromkeys(V2_CONTROLLERS, folder), dict.fromkeys(V2_CONTROLLERS, version))


def test_out_of_memory_kills_are_counted(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert lone(tmp_path, 2).oom_kills() == 2
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert lone(tmp_path, 1).oom_kills() == 5


def test_processor_time_is_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\n")
    assert lone(tmp_path, 2).cpu_seconds() == 1.5
    (tmp_path / "cpuacct.usage").write_text("2500000000\n")
    assert lone(tmp_path, 1).cpu_seconds() == 2.5


@pytest.mark.parametrize(("version", "name"), [(1, "memory.max_usage_in_bytes"), (2, "memory.peak")])
def test_the_peak_is_known_where_it_can_be_reset(tmp_path: Path, version: int, name: str) -> None:
    path = tmp_path / name
    path.write_text("99999\n")
    group = lone(tmp_path, version)
    assert group.peak() is None
    group.reset_peak()
    assert path.read_text() == "09999\n"
    path.write_text("4096\n")
    assert group.peak() == 4096
    (opened,) = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(path) and _is(fd, path)]
    group.reset_peak()
    assert [fd for fd in os.listdir("/proc/self/fd") if _is(fd, path)] == [opened]
    group.remove()
    assert [fd for fd in os.listdir("/proc/self/fd") if _is(fd, path)] == []


def _is(fd: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    except FileNotFoundError:
        return False


def test_the_peak_is_unknown_where_it_cannot_be_reset(tmp_path: Path) -> None:
    group = lone(tmp_path, 2)
    group.reset_peak()  # before Linux 5.19 there is no such file
    assert group.peak() is None
    (tmp_path / "memory.peak").mkdir()  # before 6.12 it cannot be opened for writing
    group.reset_peak()
    assert group.peak() is None


def test_groups_go_and_leave_what_still_lives(tmp_path: Path, v2: Path) -> None:
    tree = made(tmp_path)
    gone, kept = tree.group("s1"), tree.group("s2")
    (v2 / tree.name / "s2/process").touch()
    assert gone.remove() is True
    assert gone.remove() is True
    assert kept.remove() is False
    tree.remove()
    assert [path.name for path in (v2 / tree.name).iterdir() if path.is_dir()] == ["s2"]


@pytest.fixture
def real() -> Iterator[Tree]:
    tree = Tree.make(GIB)
    if tree is None:
        pytest.skip("this machine lets this user make no cgroups")
    yield tree
    tree.remove()


def test_this_machines_groups_take_their_limits(real: Tree) -> None:
    group = real.group("s1")
    group.limit(LIMITS)
    read = {path.name: path.read_text().strip() for folder in group.paths() for path in folder.glob("*.max")}
    assert read["pids.max"] == "17"
    group.reset_peak()
    peak = group.peak()
    assert peak is None or peak >= 0
    assert group.oom_kills() == 0
    assert group.cpu_seconds() == 0.0
    assert group.remove() is True


def test_this_machines_groups_are_gone_afterwards(real: Tree) -> None:
    real.group("s1")
    assert all(os.path.isdir(top) for top in real.tops)
    real.remove()
    assert [top for top in real.tops if os.path.exists(top)] == []
