"""Logs that are append-only and read by any number of readers, late ones too; and output under a cap."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import anyio

from ..types import Event, EventKind

Entry = TypeVar("Entry")


class Log(Generic[Entry]):
    """What has happened so far. Writing never waits; readers wait for more."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._more: anyio.Event | None = None  # there while a reader waits
        self._ended = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    @property
    def entries(self) -> Sequence[Entry]:
        """All that is there now."""
        return self._entries

    def add(self, entry: Entry) -> None:
        """Add an entry and wake the readers."""
        self._entries.append(entry)
        self._wake()

    def end(self) -> None:
        """Say that nothing more will come."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None:
            self._more.set()
            self._more = None

    async def read(self, after: int = 0) -> AsyncGenerator[Entry]:
        """Yield entries from number ``after`` on, until the last."""
        while True:
            while after < len(self._entries):
                yield self._entries[after]
                after += 1
            if self._ended:
                return
            self._more = self._more or anyio.Event()
            await self._more.wait()


class EventLog(Log[Event]):
    """The log of one execution."""

    def __init__(self) -> None:
        super().__init__()
        self._weight = self._weighed = 0

    def append(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Add an event and wake the readers."""
        self.add(Event(len(self), kind, data))

    def weight(self) -> int:
        """About as many bytes as it has as JSON; each event is weighed once."""
        self._weight += sum(_weight(event.data) for event in self.entries[self._weighed :])
        self._weighed = len(self)
        return self._weight


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list):
        return 8
    return 64 + sum(map(_weight, value))


class CappedOutput:
    """One stream's text: live up to a cap, and its head and tail in the end."""

    def __init__(self, cap: int) -> None:
        self._head_room = cap - cap // 4
        self._tail_cap = cap // 4
        self._head: list[str] = []
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def truncated(self) -> bool:
        """Whether anything was left out."""
        return self._dropped > 0

    def feed(self, data: bytes) -> str:
        """Take more output; returns what of it belongs in the live stream."""
        room = self._head_room
        live = ""
        if room:
            live = self._decoder.decode(data[:room])
            self._head.append(live)
            self._head_room -= len(data[:room])
            data = data[room:]
            if not self._head_room:
                # A character that is cut in two here belongs to the tail as a whole.
                data = self._decoder.getstate()[0] + data
                self._decoder.reset()
        if data:
            self._keep_tail(data)
        return live

    def _keep_tail(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_cap:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone
        if (surplus := self._tail_size - self._tail_cap) > 0:
            self._tail[0] = self._tail[0][surplus:]
            self._tail_size -= surplus
            self._dropped += surplus

    def text(self) -> str:
        """Head, a marker where something is missing, and tail."""
        head = "".join(self._head)
        tail = self._tail_text()
        if not self._dropped:
            return head + tail
        return f"{head}\n[… {self._dropped} bytes left out …]\n{tail}"

    def rest(self) -> str:
        """What belongs to the live stream and was held back: half a character, or a tail that turned out to fit."""
        last = self._decoder.decode(b"", final=True)
        self._head.append(last)
        return last if self._dropped else last + self._tail_text()

    def _tail_text(self) -> str:
        return b"".join(self._tail).decode("utf-8", "replace")
