from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys

import pytest

from insitu.isolation.process.doctor import check_cgroups
from tests.cli.commands import Commands, Ended
from tests.support.model import ScriptedModel
from tests.support.serve_command import INSITU

# The kernel lets anyone who may make a user namespace forbid them below it.
NO_USER_NAMESPACES = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
MASKED_PROC = "mount -t tmpfs none /proc/sys && exec "


def inside(insitu: Commands, script: str, *arguments: str) -> Ended:
    """A command where a shell script has made the machine a poorer one."""
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        f'{script}"$@"',
        "sh",
        *INSITU,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=insitu.folder, env=insitu.env, timeout=50)
    return Ended(done.returncode, done.stdout, done.stderr)


def elsewhere(insitu: Commands, *arguments: str) -> Ended:
    """A command that is told, once other people's modules are there, that this is another system."""
    pretend = f"""
import sys
import anyio, httpx2, pydantic_settings, insitu.cli
sys.platform, sys.argv = "darwin", ["insitu", *{arguments}]
insitu.cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", pretend], capture_output=True, text=True, env=insitu.env, stdin=subprocess.DEVNULL
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def status(shown: str) -> dict[str, str]:
    return {line[6:24].strip(): line[:4].strip() for line in shown.splitlines() if re.match(r"ok|warn|fail", line)}


def test_a_machine_that_runs_sandboxes_passes(insitu: Commands) -> None:
    ended = insitu("doctor", env={"INSITU_PORT": "0"})
    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out.endswith("\n\nready\n")
    found = status(ended.out)
    assert list(found)[:3] == ["linux", "users", "user namespace"]
    namespaces = [f"{kind} namespace" for kind in ("user", "mount", "pid", "net", "ipc", "uts", "cgroup")]
    certain = [*namespaces, "linux", "mounts", "/proc", "landlock", "seccomp", "port", "run in process"]
    assert {name: found[name] for name in certain} == dict.fromkeys(certain, "ok")
    assert {"cgroup memory", "cgroup pids", "cgroup cpu", "memory", "open files", "python"} <= set(found)
    assert "fail" not in found.values()


def test_as_json(insitu: Commands) -> None:
    ended = insitu("doctor", "--json", env={"INSITU_PORT": "0"})
    said = json.loads(ended.out)
    assert (ended.exit_code, said["ok"]) == (0, True)
    assert {tuple(check) for check in said["checks"]} == {("name", "status", "found", "needed", "mend")}
    assert said["checks"][-1]["name"].startswith(("run in process", "in force"))


def test_what_is_forbidden_is_found_and_told(insitu: Commands) -> None:
    ended = inside(insitu, NO_USER_NAMESPACES, "doctor")
    assert ended.exit_code == 1
    assert status(ended.out)["user namespace"] == "fail"
    assert "to mend: user/max_user_namespaces is 0: raise it" in ended.out
    assert "run in process" not in ended.out
    assert ended.out.endswith("\n1 failed\n")


def test_serve_and_run_say_the_same_in_one_message(insitu: Commands) -> None:
    for command in (["serve", "--port", "0"], ["run", "1"]):
        ended = inside(insitu, NO_USER_NAMESPACES, *command)
        assert (ended.exit_code, ended.out) == (125, "")
        said = ended.err.removeprefix("starting …\n")
        assert [line.split()[0] for line in said.splitlines()] == ["error:", "hint:"]
        assert "user/max_user_namespaces is 0: raise it" in ended.err


def test_a_masked_proc_is_found(insitu: Commands) -> None:
    ended = inside(insitu, MASKED_PROC, "doctor")
    found = status(ended.out)
    assert (ended.exit_code, found["/proc"], found["mounts"]) == (1, "fail", "ok")
    assert "unmask /proc" in ended.out


def test_the_environments_python_is_looked_at(insitu: Commands) -> None:
    missing = insitu("doctor", "--python", "/nowhere/python", "--json")
    checks = {check["name"]: check for check in json.loads(missing.out)["checks"]}
    assert (missing.exit_code, checks["python"]["status"]) == (1, "fail")
    assert checks["python"]["mend"] == "name one that works: --python PATH"


@pytest.mark.skipif(not shutil.which("python3", path="/usr/bin"), reason="there is no other Python on this machine")
def test_packages_that_are_not_there_are_named(insitu: Commands) -> None:
    said = json.loads(insitu("doctor", "--python", "/usr/bin/python3", "--json").out)
    (python,) = (check for check in said["checks"] if check["name"] == "python")
    assert python["status"] == "warn"
    assert python["mend"].startswith("/usr/bin/python3 -m pip install ")


def test_a_taken_port_is_a_warning_unless_insitu_has_it(insitu: Commands, url: str) -> None:
    def port_check(port: int) -> list[str]:
        lines = insitu("doctor", env={"INSITU_PORT": str(port)}).out.splitlines()
        return next([line[:4].strip(), line[26:]] for line in lines if line[6:].startswith("port "))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port_check(port) == ["warn", f"cannot listen on 127.0.0.1:{port}: Address already in use"]
    port = int(url.rsplit(":", 1)[1])
    assert port_check(port) == ["ok", f"an insitu server answers at 127.0.0.1:{port}"]


def test_the_data_folder_and_the_model_server_are_looked_at(insitu: Commands, model: ScriptedModel) -> None:
    (insitu.folder / "file").touch()
    env = {"INSITU_PORT": "0", "INSITU_DATA_DIR": "file/data", "INSITU_UPSTREAM": "http://127.0.0.1:9/v1"}
    ended = insitu("doctor", "--json", env=env)
    checks = {check["name"]: check for check in json.loads(ended.out)["checks"]}
    assert (ended.exit_code, checks["data folder"]["status"], checks["model server"]["status"]) == (1, "fail", "warn")
    assert checks["data folder"]["found"] == f"{insitu.folder}/file is no folder"
    assert checks["model server"]["found"] == "http://127.0.0.1:9/v1 does not answer now"
    env = {"INSITU_PORT": "0", "INSITU_DATA_DIR": "not/there/yet", "INSITU_UPSTREAM": model.url}
    ended = insitu("doctor", env=env)
    found = status(ended.out)
    assert (ended.exit_code, found["data folder"], found["model server"]) == (0, "ok", "ok")
    assert not (insitu.folder / "not").exists()


def test_every_controller_is_reported() -> None:
    assert [check.name for check in check_cgroups()] == ["cgroup memory", "cgroup pids", "cgroup cpu"]


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [(["doctor"], 1), (["serve"], 125), (["run", "1"], 125), (["repl"], 125), (["bench"], 125)],
)
def test_elsewhere_than_on_linux_one_message_says_what_to_do(
    insitu: Commands, command: list[str], exit_code: int
) -> None:
    ended = elsewhere(insitu, *command)
    said = ended.out + ended.err
    assert ended.exit_code == exit_code
    assert "run `insitu serve` on Linux" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 5


def test_elsewhere_a_server_can_be_used(remote: Commands) -> None:
    assert elsewhere(remote, "run", "1 + 1") == Ended(0, "2\n", "")
