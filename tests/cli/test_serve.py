from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from insitu import Client, Unauthorized
from tests.cli.commands import Commands, clean_environment, serving


def test_the_start_says_where_and_what(tmp_path: Path) -> None:
    with serving(tmp_path, "--memory-bytes", "300m") as (url, said), Client(url) as client:
        assert said[0] == f"insitu listens on {url} (API: {url}/docs)\n"
        about = dict(line.split(None, 1) for line in said[1:])
        assert {"namespaces", "users", "cgroups", "landlock", "seccomp", "environment", "model", "keys", "try"} == set(
            about
        )
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


def test_it_does_not_start_where_others_could_reach_it_without_keys(insitu: Commands) -> None:
    ended = insitu("serve", "--host", "0.0.0.0", "--port", "0")
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.startswith("error: without keys the server binds loopback only")


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
