"""A server in a process of its own, and a client that adds as little as it can to what is measured."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Self

from .measure import ms_since

_TIMEOUT_S = 60.0
_HEADERS = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"


class Connection:
    """One keep-alive connection: a request is one send, an answer little more than its length."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send JSON, and read the JSON of the answer.

        Raises:
            RuntimeError: if the status is not one of success.
        """
        return json.loads(self.request("POST", path, json.dumps(body).encode()))  # type: ignore[no-any-return]

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request, and read the answer's body."""
        head = f"{method} {path} HTTP/1.1\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", answer)
        length = int(found[1]) if found else 0  # 204: nothing
        while len(self._buffer) < length:
            self._receive()
        content, self._buffer = self._buffer[:length], self._buffer[length:]
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{method} {path}: {answer.splitlines()[0].decode()}: {content.decode()}")
        return content

    def _receive(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@dataclass(slots=True)
class Burst:
    """What many requests at once amounted to."""

    samples: list[float]
    failures: int
    seconds: float


class Server:
    """A server that is up and warm."""

    def __init__(self, port: int) -> None:
        self.port = port

    def load(self, connection: Connection) -> dict[str, str]:
        """What it says of itself: executions, sandboxes alive, sandboxes ready."""
        text = connection.request("GET", "/metrics").decode()
        return dict(re.findall(r"^insitu_(executions|sandboxes|pool_ready) (\d+)", text, re.MULTILINE))

    def wait_for(self, connection: Connection, load: Mapping[str, str]) -> None:
        """Return once it says so of itself; raises RuntimeError if that takes too long."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not load.items() <= (now := self.load(connection)).items():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server does not come to {load}: it has {now}")
            time.sleep(0.005)

    def burst(self, n: int, concurrency: int) -> Burst:
        """Make, use and destroy ``n`` fresh sandboxes, so many at a time.

        It is over when the last one is gone and the pool is full again.
        """
        with Connection(self.port) as connection, ThreadPoolExecutor(concurrency) as workers:
            before = self.load(connection)
            begun = time.perf_counter()
            numbers = iter(range(n))  # shared: whoever is free takes the next
            results = list(workers.map(self._work, [numbers] * concurrency))
            self.wait_for(connection, before)
            seconds = time.perf_counter() - begun
        samples = [ms for done, _ in results for ms in done]
        return Burst(samples, sum(failed for _, failed in results), seconds)

    def _work(self, numbers: Iterator[int]) -> tuple[list[float], int]:
        samples, failed = [], 0
        with Connection(self.port) as connection:
            for number in numbers:
                begun = time.perf_counter()
                try:
                    answer = connection.post("/v1/execute", {"code": f"print({number})"})
                except RuntimeError:
                    failed += 1
                    continue
                samples.append(ms_since(begun))
                failed += answer["stdout"] != f"{number}\n"
        return samples, failed


@contextmanager
def running_server(*options: str) -> Iterator[Server]:
    """Start ``insitu serve`` with the settings that the options, the environment and the defaults give."""
    with TemporaryDirectory(prefix="insitu-bench-") as folder:
        command = [sys.executable, "-m", "insitu", "serve", "--port", "0", "--data-dir", folder, *options]
        with _started(command) as server:
            yield server


@contextmanager
def _started(command: Sequence[str]) -> Iterator[Server]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        # The first line says that it starts.
        said = process.stderr.readline() + process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        if found is None:
            raise RuntimeError(f"the server did not start: {said}{process.stderr.read()}")
        server = Server(int(found[1]))
        wait_until_warm(server)
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=_TIMEOUT_S)


def wait_until_warm(server: Server) -> None:
    """Return once its pool is full; raises RuntimeError if that takes too long."""
    deadline = time.monotonic() + _TIMEOUT_S
    with Connection(server.port) as connection:
        while True:
            try:
                connection.request("GET", "/readyz")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
