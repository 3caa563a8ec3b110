"""Measures a server as one client of it sees it: ``python -m benchmarks.soak.probe PORT``.

In a process of its own, so that the load's own work is not in the figures. It tells each sample in a line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from benchmarks.measure import ms_since
from benchmarks.servers import Connection

_INTERVAL_S = 0.2
_LIVE_TO_FRESH = 3
_NAMESPACE = "import os; print(os.readlink('/proc/self/ns/pid'))"


class Probe:
    """One connection, and a session as long as it lives."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = Connection(port)
        self._session = ""

    def live(self) -> None:
        """`1+1` in a session that is there already."""
        self._measure("live", f"/v1/sessions/{self._session}/execute")

    def fresh(self) -> None:
        """The same in a fresh sandbox."""
        self._measure("fresh", "/v1/execute")

    def _measure(self, way: str, path: str) -> None:
        if way == "live" and not self._session:
            self._open()
            return
        at, begun = time.monotonic(), time.perf_counter()
        try:
            answer = self._connection.post(path, {"code": "1 + 1"})
        except (RuntimeError, OSError) as error:
            self._fail(way, at, str(error))
            return
        right = answer["outcome"] == "ok" and answer["results"][0]["data"]["text/plain"] == "2"
        if right:
            _say(way=way, at=at, ms=ms_since(begun))
        else:
            _say(way=way, at=at, failed=f"{answer['outcome']}: {answer['error']} {answer['results']}")

    def _open(self) -> None:
        at = time.monotonic()
        try:
            session = self._connection.post("/v1/sessions", {})["id"]
            told = self._connection.post(f"/v1/sessions/{session}/execute", {"code": _NAMESPACE})
        except (RuntimeError, OSError) as error:
            self._fail("fresh", at, str(error))
        else:
            self._session = session if told["outcome"] == "ok" else ""
            _say(way="session", at=at, namespace=told["stdout"].strip())

    def _fail(self, way: str, at: float, error: str) -> None:
        _say(way=way, at=at, failed=error)
        if way == "live":
            self._session = ""
        if not error.startswith("POST"):  # the connection, and not an answer
            self._connection = Connection(self._port)

    def close(self) -> None:
        """End the session."""
        if self._session:
            try:
                self._connection.request("DELETE", f"/v1/sessions/{self._session}")
            except RuntimeError:
                pass  # it has been killed


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _await_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def main(port: int) -> None:
    """Go on until the standard input ends."""
    over = threading.Event()
    threading.Thread(target=_await_end, args=[over], daemon=True).start()
    probe = Probe(port)
    number = 0
    while not over.wait(_INTERVAL_S):
        if number % (_LIVE_TO_FRESH + 1):
            probe.live()
        else:
            probe.fresh()
        number += 1
    probe.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
