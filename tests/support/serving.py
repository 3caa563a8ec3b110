"""A real server on a real socket, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import anyio
import httpx2

from insitu.server.app import create_app
from insitu.server.run import UNREAD_S, Server, listen
from insitu.settings import Settings


@contextmanager
def serving(settings: Settings, unread_s: float = UNREAD_S) -> Iterator[str]:
    """A server for as long as the block; its address. The same folder of data can be served again afterwards."""
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


def exchange(url: str, request: bytes) -> bytes:
    """What is answered to exactly these bytes, as far as its head."""
    address = httpx2.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=50) as connection:
        connection.sendall(request)
        return connection.recv(65536)
