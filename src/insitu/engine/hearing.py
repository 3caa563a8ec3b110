"""What an interpreter says in frames, as far as the host listens to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from ..guest import protocol
from ..types import MIB
from .bulk import Bulk

# What an honest frame may hold besides results: a traceback and a listing.
_SLACK = 2 * MIB
_MOST_FRAMES = 20_000
# Whoever sends many frames is heard a little at a time, so that all others are served between.
_READ, _FEW_FRAMES, _READ_OF_MANY = 1 << 18, 1000, 1 << 13


class Sink(Protocol):
    """Where an execution's output goes."""

    def output(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Take some bytes that the code wrote."""

    def admits(self, size: int, swells: bool) -> bool:
        """Whether there is room for a result of ``size`` bytes; one that swells when it is parsed has none."""

    def result(self, data: dict[str, Any], main: bool) -> None:
        """Take one thing that the code displayed."""


class Calls(Protocol):
    """Where the code's calls of tools go."""

    @property
    def most_bytes(self) -> int:
        """How much an honest call has at the most; 0 if there are no tools."""

    def take(self, payload: bytes) -> None:
        """Take in a call.

        Raises:
            ProtocolError: if no honest interpreter sends that.
        """

    async def give_up(self) -> None:
        """Answer, in their stead, those for whom the clock has stood still for long enough; it may take its time."""


class Hearing:
    """Takes in the frames of one execution.

    Args:
        decoder: of the interpreter, whose threads may send in the midst of two executions.
        send: takes what is to be said in return.
        claim: the last frame, once it is there.
    """

    def __init__(
        self,
        decoder: protocol.Decoder,
        results_bytes: int,
        sink: Sink,
        calls: Calls,
        send: Callable[[bytes], None],
    ) -> None:
        self._decoder = decoder
        decoder.max_payload = max(results_bytes + _SLACK, calls.most_bytes)
        self._sink, self._calls, self._send = sink, calls, send
        self._frames = 0
        self._bulk = Bulk()
        self.claim: dict[str, Any] | None = None

    @property
    def appetite(self) -> int:
        """How many bytes may be read at once."""
        return _READ if self._frames < _FEW_FRAMES else _READ_OF_MANY

    def take(self, data: bytes) -> None:
        """Take in some bytes.

        Raises:
            ProtocolError: if no honest interpreter sends that.
        """
        for kind, payload in self._decoder.feed(data):
            self._count()
            if self.claim is None:  # what follows the last frame is no honest peer's
                self._handle(kind, payload)

    def _count(self) -> None:
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise protocol.ProtocolError(f"it sent more than {_MOST_FRAMES} frames in one execution")

    def _handle(self, kind: int, payload: bytes) -> None:
        if kind == protocol.FINISHED:
            self.claim = _last(payload)
        elif kind == protocol.RESULT:
            if not self._take_result(payload):
                self._send(protocol.frame(protocol.SEEN))
        elif kind == protocol.TOOL_CALL:
            self._calls.take(payload)

    def _take_result(self, payload: bytes) -> bool:
        """Whether it is the code's value, for which nobody waits."""
        # Charged before it is parsed: what has no room costs the host no more than its bytes.
        if not self._sink.admits(len(payload), self._bulk.add(payload)):
            return False
        body, _ = protocol.parse_json(payload)
        main = bool(body.get("main"))
        if protocol.is_deep(body):
            self._sink.admits(0, True)
        elif isinstance(body.get("data"), dict):
            self._sink.result(body["data"], main)
        return main


def _last(payload: bytes) -> dict[str, Any]:
    if len(payload) > _SLACK or Bulk().add(payload):
        raise protocol.ProtocolError(f"its last frame is out of all bounds, with {len(payload)} bytes")
    claim, _ = protocol.parse_json(payload)
    if protocol.is_deep(claim):
        raise protocol.ProtocolError("its last frame is nested too deep")
    return claim
