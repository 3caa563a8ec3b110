"""A server as a process: how it starts, refuses to start, and stops."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from insitu.errors import InvalidRequest
from insitu.server.run import DESCRIPTORS, check_bind, listen
from insitu.settings import Settings
from tests.support.waiting import wait_until

SERVE = """
import sys
from insitu.server.run import serve
from insitu.settings import Settings
sys.exit(serve(Settings()))
"""
ENDLESS = "print('up', flush=True)\nimport time\nwhile True: time.sleep(0.01)"
# Ends by itself, once the test has seen what it wants to see.
UNTIL_TOLD = "print('up', flush=True)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n'done'"


@contextmanager
def started(**settings: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    named = {f"INSITU_{name.upper()}": value for name, value in settings.items()}
    with TemporaryDirectory() as folder:
        own = {"INSITU_PORT": "0", "INSITU_PREIMPORT": "", "INSITU_POOL_SIZE": "1", "INSITU_DATA_DIR": folder}
        env = {**os.environ, **own, **named}
        process = subprocess.Popen([sys.executable, "-c", SERVE], env=env, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        try:
            line = process.stderr.readline()
            assert line.startswith("insitu listens on http://127.0.0.1:"), line
            with httpx2.Client(base_url=line.split()[3], timeout=50) as client:
                yield process, client
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


@contextmanager
def running(client: httpx2.Client, code: str) -> Iterator[tuple[str, httpx2.Response, Iterator[str]]]:
    """A stream that has said that it is up, of a new session."""
    session = client.post("/v1/sessions").headers["location"]
    with client.stream("POST", f"{session}/execute", json={"code": code, "stream": True}) as response:
        lines = response.iter_lines()
        assert any('"up\\n"' in line for line in lines)
        yield session, response, lines


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """A low soft limit, which processes started meanwhile inherit; the most that they may make of it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Servers that other tests share have descriptors open in this process.
    soft = 512 + len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    yield DESCRIPTORS if before[1] == resource.RLIM_INFINITY else min(DESCRIPTORS, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_sigterm_waits_for_what_runs_and_takes_nothing_new(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    with started() as (process, client), running(client, UNTIL_TOLD) as (session, _, lines):
        process.send_signal(signal.SIGTERM)
        eventually(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/healthz").status_code == 200
        refused = client.post("/v1/execute", json={"code": "1"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.put(f"{session}/files/go").status_code == 201
        rest = list(lines)
        assert "event: finished" in rest
        assert any("'done'" in line for line in rest)
        assert process.wait() == 0


def test_past_its_bound_sigterm_ends_what_runs_and_says_so() -> None:
    with started(shutdown_s="0.2") as (process, client), ThreadPoolExecutor(1) as pool:
        plain = pool.submit(client.post, "/v1/execute", json={"code": ENDLESS})
        with running(client, ENDLESS) as (_, _, lines):
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
            assert "event: error" in rest
            assert any('"code":"server_stopped"' in line and "the server stopped" in line for line in rest)
        answer = plain.result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_stopped")
        assert process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nothing(
    number: signal.Signals, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with started(shutdown_s="600") as (process, client), running(client, ENDLESS):
        process.send_signal(number)
        eventually(lambda: client.get("/readyz").status_code == 503)
        process.send_signal(number)
        assert process.wait() == 0


def test_stopping_says_what_still_runs() -> None:
    with started(shutdown_s="600") as (process, client), running(client, UNTIL_TOLD) as (session, _, lines):
        process.send_signal(signal.SIGTERM)
        assert process.stderr
        said = process.stderr.readline()
        assert said == "stopping: 1 execution still runs, at most 600 s; Ctrl-C again ends them now\n"
        client.put(f"{session}/files/go")
        assert "event: finished" in list(lines)
        assert process.wait() == 0


def test_a_data_folder_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {**os.environ, "INSITU_PORT": "0", "INSITU_DATA_DIR": str(tmp_path / "file")}
    run = subprocess.run([sys.executable, "-c", SERVE], env=env, capture_output=True, text=True, timeout=50)
    assert run.returncode == 1
    assert run.stderr.startswith(f"insitu cannot start: the store in the folder '{tmp_path}/file' failed: ")
    assert "Traceback" not in run.stderr


def test_it_allows_itself_as_many_descriptors_as_it_may(few_descriptors: int) -> None:
    with started() as (process, _):
        soft, _ = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft == few_descriptors


def test_an_idle_server_stops_at_once_and_says_nothing() -> None:
    with started(shutdown_s="600") as (process, client):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_keys_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(InvalidRequest, match="without keys the server binds loopback only"):
        check_bind(Settings(host=host))
    check_bind(Settings(host=host, api_keys="key"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    check_bind(Settings(host=host))


def test_a_file_without_keys_is_no_permission(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with pytest.raises(InvalidRequest, match="cannot be read"):
        check_bind(Settings(api_keys_file=file))
    file.write_text("\n", "utf-8")
    with pytest.raises(InvalidRequest, match="holds no key"):
        check_bind(Settings(api_keys_file=file))


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidRequest, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen(Settings(port=port))


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"the host 'no\.such\.host\.invalid' is not known"):
        listen(Settings(host="no.such.host.invalid"))


def test_without_user_namespaces_the_start_says_so_in_one_message() -> None:
    # In a namespace of its own, whose own limit allows no further ones.
    script = f"echo 0 > /proc/sys/user/max_user_namespaces; exec {sys.executable} -c '{SERVE}'"
    env = {**os.environ, "INSITU_PORT": "0"}
    run = subprocess.run(["unshare", "-Ur", "sh", "-c", script], env=env, capture_output=True, text=True, timeout=50)
    assert run.returncode == 1
    assert run.stderr.startswith("insitu cannot start: ")
    assert "user/max_user_namespaces" in run.stderr
    assert "Traceback" not in run.stderr


def test_who_interrupts_the_start_is_told_nothing_of_its_insides(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from insitu.server import run
from insitu.settings import Settings

def interrupted(*parts, create_app=run.create_app):
    os.kill(os.getpid(), signal.SIGINT)
    return create_app(*parts)

run.create_app = interrupted
try:
    run.serve(Settings())
except KeyboardInterrupt:
    sys.exit(130)
"""
    env = {**os.environ, "INSITU_PORT": "0", "INSITU_PREIMPORT": "", "INSITU_DATA_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=50)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


def test_a_server_that_cannot_start_says_why_in_one_message() -> None:
    env = {**os.environ, "INSITU_HOST": "0.0.0.0", "INSITU_API_KEYS": ""}
    run = subprocess.run([sys.executable, "-c", SERVE], env=env, capture_output=True, text=True, timeout=50)
    assert run.returncode == 1
    assert run.stderr.startswith("insitu cannot start: without keys the server binds loopback only")
    assert "Traceback" not in run.stderr
