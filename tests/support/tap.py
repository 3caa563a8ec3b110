"""Stands between a client and a server, and keeps what the server sends: what the client makes of it says less."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

import httpx2


class Tap(ThreadingTCPServer):
    """Passes connections on to a server.

    Args:
        url: the server's address.
    """

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.sent = b""
        there = httpx2.URL(url)
        self.target = there.host, there.port or 0

    def keep(self, data: bytes) -> None:
        """Keep what the server has sent."""
        self.sent += data


class _Connection(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Tap)
        with socket.create_connection(self.server.target) as there:
            answering = threading.Thread(target=_pass_on, args=(there, self.request, self.server.keep))
            answering.start()
            _pass_on(self.request, there)
            answering.join()


@contextmanager
def tapped(url: str) -> Iterator[Tap]:
    """Another address of a server for as long as the block; clients have to close their connections before its end."""
    with Tap(url) as tap:
        thread = threading.Thread(target=tap.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield tap
        finally:
            tap.shutdown()
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket, keep: Callable[[bytes], None] = lambda data: None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            keep(data)
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
