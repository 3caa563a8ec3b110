"""Whom `insitu ask` asks, and what it says when that is the wrong one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.commands import Commands
from tests.support.model import ScriptedModel, fail, say
from tests.support.serve_command import clean_environment, serving

# On a network of its own, where the addresses of the README are free: its sequence, to the letter.
FIRST_MINUTE = """
import fcntl, socket, struct, subprocess, sys
with socket.socket() as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
sys.path.insert(0, sys.argv[1])
from tests.support.model import ScriptedModel, say
insitu = [sys.executable, "-m", "insitu"]
with ScriptedModel(port=11434) as model:
    model.script(say("One."), say("Two."))
    serve = [*insitu, "serve", "--upstream", "http://127.0.0.1:11434/v1"]
    server = subprocess.Popen(serve, stderr=subprocess.PIPE, text=True)
    while not server.stderr.readline().startswith("  try "):
        assert server.poll() is None
    subprocess.run([*insitu, "ask", "One?"], check=True)
    subprocess.run([*insitu, "ask", "--continue", "Two?"], check=True)
    server.terminate()
    server.communicate()
    sys.exit(server.returncode)
"""


class Refusing(BaseHTTPRequestHandler):
    """A model server that wants another key."""

    def do_GET(self) -> None:
        body = b'{"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}'
        self.send_response(401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def alone(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script on a network that nobody else is on."""
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", script, *arguments]
    env = clean_environment(folder) | {"INSITU_PREIMPORT": "", "INSITU_POOL_SIZE": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=50)


def test_the_first_minute_of_the_readme_needs_no_address(tmp_path: Path) -> None:
    ended = alone(FIRST_MINUTE, str(Path(__file__).parents[2]), folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "One.\nTwo.\n", "")


@pytest.mark.parametrize("more", [(), ("-m", "scripted")])
def test_a_base_url_that_lacks_v1_is_told(insitu: Commands, model: ScriptedModel, more: tuple[str, ...]) -> None:
    address = model.url.removesuffix("/v1")
    ended = insitu("ask", "?", "--upstream", address, *more, env={"INSITU_PREIMPORT": ""})
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.splitlines()[:2] == [
        f"error: the model server at {address} answers 404 to /models",
        "hint: its base URL usually ends in /v1",
    ]


@pytest.mark.parametrize("more", [(), ("-m", "scripted")])
def test_behind_a_server_it_is_told_as_well(
    insitu: Commands, model: ScriptedModel, tmp_path: Path, more: tuple[str, ...]
) -> None:
    with serving(tmp_path, "--upstream", model.url.removesuffix("/v1")) as (url, _):
        ended = insitu("ask", "?", "--url", f"{url}/", *more)
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.splitlines()[:2] == [
        f"error: the model server behind {url} answers 404 to /models",
        "hint: the base URL that `insitu serve --upstream` is given usually ends in /v1",
    ]


@pytest.mark.parametrize("command", [("ask", "?"), ("ask", "?", "-m", "scripted"), ("ps",), ("run", "1")])
def test_a_model_server_is_no_server_of_insitus(
    insitu: Commands, model: ScriptedModel, command: tuple[str, ...]
) -> None:
    address = model.url.removesuffix("/v1")
    ended = insitu(*command, "--url", address)
    error, hint = ended.err.splitlines()
    assert (ended.exit_code, ended.out) == (125, "")
    assert error.startswith(f"error: what answers at {address} is no insitu server: ")
    assert error.endswith(" says 404 to /healthz")
    assert hint.endswith(f"a model server is asked by `insitu ask --upstream {address}/v1`")


@pytest.mark.parametrize("more", [(), ("-m", "scripted")])
def test_a_key_that_the_model_server_refuses_is_named(insitu: Commands, refusing: str, more: tuple[str, ...]) -> None:
    ended = insitu("ask", "?", "--upstream", refusing, *more, env={"INSITU_PREIMPORT": ""})
    assert ended.exit_code != 0
    assert ended.err.splitlines()[:2] == [
        f"error: the model server at {refusing} answers 401 to /models",
        "hint: the key that it gets is INSITU_UPSTREAM_API_KEY",
    ]


def test_a_key_that_the_server_refuses_is_named(insitu: Commands, model: ScriptedModel, tmp_path: Path) -> None:
    with serving(tmp_path, "--upstream", model.url, env={"INSITU_API_KEYS": "k"}) as (url, _):
        for command in (["ps"], ["ask", "?"]):
            ended = insitu(*command, "--url", url)
            assert ended.exit_code == 2
            error, hint = ended.err.splitlines()[:2]
            assert error.startswith("error: the request carries no key")
            assert hint == "hint: set INSITU_API_KEY to one of the server's keys"


def test_what_a_sound_model_server_refuses_stays_its_own_word(insitu: Commands, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "no such model", "type": "invalid_request_error"}}))
    ended = insitu("ask", "?", "-m", "nonsense", "--upstream", model.url, env={"INSITU_PREIMPORT": ""})
    assert (ended.exit_code, "no such model" in ended.err) == (2, True)
    model.script(say("Yes."))
    assert insitu("ask", "?", "--upstream", model.url, env={"INSITU_PREIMPORT": ""}).out == "Yes.\n"
