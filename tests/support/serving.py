"""A real server on a real socket, in a thread of the test's process; in one of its own for clients of other majors."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import anyio
import httpx2
from pydantic import SecretStr

from insitu.server.app import create_app
from insitu.server.run import UNREAD_S, Server, listen
from insitu.settings import Settings
from tests.support import majors


@contextmanager
def serving(settings: Settings, unread_s: float = UNREAD_S) -> Iterator[str]:
    """A server for as long as the block; its address. The same folder of data can be served again afterwards."""
    with _apart(settings) if majors.OTHERS else _in_a_thread(settings, unread_s) as url:
        yield url


@contextmanager
def _in_a_thread(settings: Settings, unread_s: float) -> Iterator[str]:
    with listen(settings, unread_s) as sock:
        started = threading.Event()
        failures: list[BaseException] = []
        server = Server(create_app(settings), settings, lambda url, service: started.set())

        def run() -> None:
            try:
                options = {"use_uvloop": find_spec("uvloop") is not None}
                anyio.run(partial(server.serve, sockets=[sock]), backend_options=options)
            except BaseException as failure:
                failures.append(failure)
            finally:
                started.set()

        thread = threading.Thread(target=run)
        thread.start()
        started.wait()
        try:
            if failures:
                raise failures[0]
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _apart(settings: Settings) -> Iterator[str]:
    command = [sys.executable, "-m", __name__]
    given = json.dumps(settings.model_dump(exclude_unset=True), default=_plain)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=majors.environment_without()
    ) as server:
        assert server.stdin and server.stdout
        print(given, file=server.stdin, flush=True)
        url = server.stdout.readline().strip()
        assert url, "the server did not start"
        yield url
        server.stdin.close()
    assert server.returncode == 0


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def exchange(url: str, request: bytes) -> bytes:
    """What is answered to exactly these bytes, as far as its head."""
    address = httpx2.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=50) as connection:
        connection.sendall(request)
        return connection.recv(65536)


if __name__ == "__main__":
    with serving(Settings(**json.loads(sys.stdin.readline()))) as address:
        print(address, flush=True)
        sys.stdin.read()
