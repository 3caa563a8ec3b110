from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from insitu import Client, Unauthorized
from tests.cli.commands import Commands
from tests.support.model import ScriptedModel
from tests.support.serve_command import clean_environment, serving

DEAD = "http://127.0.0.1:9/v1"


def test_the_start_says_where_and_what(tmp_path: Path) -> None:
    with serving(tmp_path, "--memory-bytes", "300m") as (url, said), Client(url) as client:
        assert said[0] == f"insitu listens on {url} (API: {url}/docs)\n"
        about = dict(line.split(None, 1) for line in said[1:])
        layers = {"namespaces", "users", "cgroups", "landlock", "seccomp"}
        assert {*layers, "environment", "data", "model", "mcp", "keys", "try"} == set(about)
        assert about["data"] == f"{tmp_path}/.local/share/insitu\n"
        assert about["environment"].startswith(f"default: Python {sys.version.split()[0]}; ")
        assert about["keys"] == "none: for programs of this machine alone\n"
        with client.session() as session:
            assert session.info().limits.memory_bytes == 300 << 20


def test_the_line_to_paste_works(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, said):
        command = said[-1].split(None, 1)[1]
        answer = json.loads(subprocess.run(command, shell=True, capture_output=True, check=True).stdout)
    assert answer["stdout"] == "2\n"


def test_keys_are_counted_and_never_printed(tmp_path: Path) -> None:
    env = {"INSITU_API_KEYS": "s3cret,other"}
    with serving(tmp_path, env=env) as (url, said):
        assert "  keys         2\n" in said
        assert "s3cret" not in "".join(said)
        command = said[-1].split(None, 1)[1]
        paste = subprocess.run(
            command,
            shell=True,
            capture_output=True,
            check=True,
            env=clean_environment(tmp_path) | {"INSITU_API_KEY": "other"},
        )
        assert json.loads(paste.stdout)["stdout"] == "2\n"
        with Client(url, "wrong") as client, pytest.raises(Unauthorized):
            client.sessions()
    ended = Commands(tmp_path)("serve", "--port", "x", env=env)
    assert "s3cret" not in ended.err


def test_every_address_is_told_as_the_name_of_the_machine(tmp_path: Path) -> None:
    arguments = ("--host", "0.0.0.0", "--upstream", DEAD)
    with serving(tmp_path, *arguments, env={"INSITU_API_KEYS": "k"}) as (url, said):
        port = url.rpartition(":")[2]
        assert url == f"http://0.0.0.0:{port}"
        reached = f"http://{socket.gethostname()}:{port}"
        assert [line.split(None, 1) for line in said if "base_url" in line or "mcp" in line] == [
            ["base_url", f"{reached}/v1 for OpenAI's clients\n"],
            ["base_url", f"{reached} for Anthropic's and Google's clients\n"],
            ["mcp", f"{reached}/mcp\n"],
        ]


def test_what_is_wrong_with_the_model_server_is_told(tmp_path: Path, model: ScriptedModel) -> None:
    for upstream, state in (
        (model.url, ""),
        (model.url.removesuffix("/v1"), " (answers 404 to /models: its base URL usually ends in /v1)"),
        (DEAD, " (does not answer now)"),
    ):
        with serving(tmp_path, "--upstream", upstream) as (_, said):
            assert f"  model        {upstream}{state}\n" in said


def test_a_second_server_of_a_folder_warns_and_a_killed_one_is_none(tmp_path: Path) -> None:
    warning = "warning: another server uses the same data folder; containers are each server's own\n"
    alone = Commands(tmp_path)
    with alone.started("serve", "--port", "0", "--preimport", "", "--pool-size", "0") as first:
        assert first.stderr
        assert first.stderr.readline() == "starting …\n"
        assert first.stderr.readline().startswith("insitu listens on ")
        with serving(tmp_path) as (_, said):
            assert said[1] == warning
    first.wait()
    with serving(tmp_path) as (_, said):
        assert warning not in said


def test_a_bad_data_folder_is_one_error(insitu: Commands) -> None:
    (insitu.folder / "file").touch()
    ended = insitu("serve", "--port", "0", "--data-dir", "file")
    assert (ended.exit_code, ended.out) == (125, "")
    assert [line.split()[0] for line in ended.err.splitlines()] == ["starting", "error:", "hint:"]
    assert ended.err.startswith("starting …\nerror: the store in the folder 'file' failed: ")


def test_it_does_not_start_where_others_could_reach_it_without_keys(insitu: Commands) -> None:
    ended = insitu("serve", "--host", "0.0.0.0", "--port", "0")
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.startswith("starting …\nerror: without keys the server binds loopback only")


def test_who_has_the_port_already_is_told(remote: Commands, url: str, model: ScriptedModel) -> None:
    for address, who in (
        (url, "an insitu server answers there"),
        (model.url.removesuffix("/v1"), "another program has it"),
    ):
        port = address.rpartition(":")[2]
        ended = remote("serve", "--port", port)
        error, hint = ended.err.splitlines()[-2:]
        assert (ended.exit_code, error) == (2, f"error: cannot listen on 127.0.0.1:{port}: Address already in use")
        assert hint.startswith(f"hint: {who}")
        assert hint.endswith("; choose another --port")


def test_a_clients_key_is_told_to_be_none_of_the_servers(insitu: Commands) -> None:
    arguments, env = ("serve", "--host", "0.0.0.0", "--port", "0"), {"INSITU_API_KEY": "k"}
    warning = "warning: INSITU_API_KEY is a client's key; the server's keys are INSITU_API_KEYS, and it has none\n"
    assert insitu(*arguments, env=env).err.startswith(f"starting …\n{warning}error: without keys")
    assert warning not in insitu(*arguments, "--port", "1", "--api-keys-file", "nothing", env=env).err


def test_ctrl_c_stops_it(tmp_path: Path) -> None:
    insitu = Commands(tmp_path)
    with insitu.terminal("serve", "--port", "0", "--preimport", "", "--pool-size", "1") as terminal:
        terminal.until("  try ")
        terminal.type("\x03")
        assert terminal.end().exit_code == 0


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "insitu", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=clean_environment(tmp_path))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=50)
    assert (process.returncode in (130, -signal.SIGINT), "insitu listens" in said) == (True, False)
