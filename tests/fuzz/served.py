"""A server in a process of its own, with objects to name and a model that answers whatever it is asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2

from insitu.types import MIB
from tests.support.model import ScriptedModel, call, say
from tests.support.turns import process

KEY = "the-fuzzers-key"
HEADERS = {"authorization": f"Bearer {KEY}"}
# Nothing here takes so long: who waits longer waits for ever.
PATIENCE_S = 40
_ANSWERS = 20_000
_MOST_SANDBOXES = 8


class Served:
    """The server under test.

    Args:
        pid: of its process.
        log: where it writes.
    """

    def __init__(self, url: str, pid: int, log: IO[str]) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, headers=HEADERS, timeout=PATIENCE_S)
        self._pid = pid
        self._ids: dict[str, str] = {}
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()

    def _read(self, log: IO[str]) -> None:
        try:
            self._lines.extend(log)
        except ValueError:
            pass  # it was closed at the end

    def id_of(self, name: str) -> str:
        """The id of something that is there; what was deleted is made anew."""
        if name not in self._ids:
            self._ids[name] = self._make(name)
        return self._ids[name]

    def _make(self, name: str) -> str:
        match name:
            case "session_id":
                return self._post("sessions", {})
            case "container_id":
                return self._post("containers", {"name": "x"})
            case "response_id":
                return self._post("responses", {"model": "m", "input": "x"})
            case "conversation_id":
                return self._post("conversations", {"items": [{"role": "user", "content": "x"}]})
            case "item_id":
                items = self.http.get(f"/v1/conversations/{self.id_of('conversation_id')}/items").json()["data"]
                return str(items[0]["id"]) if items else "msg_0"
            case "file_id":
                form = {"file": ("a.txt", b"x")}
                return str(self.http.post("/v1/files", data={"purpose": "user_data"}, files=form).json()["id"])
            case "path":
                self.http.put(f"/v1/sessions/{self.id_of('session_id')}/files/a.txt", content=b"x")
                return "a.txt"
            case _:
                return "m"

    def _post(self, path: str, body: dict[str, object]) -> str:
        return str(self.http.post(f"/v1/{path}", json=body).raise_for_status().json()["id"])

    def forget(self) -> None:
        """Let go of all ids, and of the objects that hold sandboxes when they have become many."""
        self._ids.clear()
        sessions = [each["id"] for each in self.http.get("/v1/sessions").json()["sessions"]]
        if len(sessions) > _MOST_SANDBOXES:
            for session in sessions:
                self.http.delete(f"/v1/sessions/{session}")
            for container in self.http.get("/v1/containers", params={"limit": 100}).json()["data"]:
                self.http.delete(f"/v1/containers/{container['id']}")

    def memory(self) -> int:
        """Bytes that its process holds."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self._pid}/status").read_text(encoding="ascii"))
        assert found is not None
        return int(found[1]) << 10

    def failures(self) -> str:
        """What its log has of failures and of keys."""
        return "".join(line for line in self._lines if "Traceback" in line or "Error" in line or KEY in line)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A server for as long as the block, which must neither fail nor grow."""
    settings = {
        "api_keys": KEY,
        "timeout_s": "1",
        "max_timeout_s": "2",
        "grace_s": "0.3",
        "memory_bytes": str(256 * MIB),
        "disk_bytes": str(16 * MIB),
        "idle_timeout_s": "600",
        "upstream_timeout_s": "10",
    }
    with ScriptedModel() as model, process(folder, upstream=model.url, **settings) as (made, url):
        model.script(*[call(("python", {"code": "1 + 1"})), say("Two."), say("Yes.")] * (_ANSWERS // 3))
        assert made.stderr
        server = Served(url, made.pid, made.stderr)
        try:
            yield server
        finally:
            model.forget()
            server.http.close()
