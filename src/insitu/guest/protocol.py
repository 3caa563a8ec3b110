"""Frames between the host and the agent or an interpreter: length, type, payload.

Control payloads are JSON, output is raw bytes. This module is the only one that host and guest share,
so it is standard library only and runs on every Python from 3.9 on.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

# Host to interpreter.
EXECUTE = 1
SEEN = 3
REHEARSE = 4
TOOL_RESULT = 5
# Interpreter to host.
READY = 16
RESULT = 17
TOOL_CALL = 18
FINISHED = 19
# Host to agent, and back.
REQUEST = 32
REPLY = 33
REFUSED = 34

HEADER = struct.Struct("<IB")
_JSON_LENGTH = struct.Struct("<I")
# Which call it is, or which one a result answers: it stands before the JSON of both.
NUMBER = struct.Struct("<I")
# What the agent writes when a command has ended: exit code, negative for a signal, and microseconds of processor time.
ENDED = struct.Struct("<iQ")

# As many as the largest float has: reading a number takes time by the square of its digits, and holds up everybody.
_MOST_DIGITS = 309
# Far deeper than any honest body, and far from where Python's own functions give up.
_DEEPEST = 200

Frame = tuple[int, bytes]


class ProtocolError(Exception):
    """Raised when the other side sends what no honest peer would."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """One frame, ready to be sent."""
    return HEADER.pack(len(payload), kind) + payload


def json_frame(kind: int, body: dict[str, Any], tail: bytes = b"") -> bytes:
    """One frame with a JSON body and, behind it, raw bytes."""
    encoded = _encode(body).encode("utf-8", "surrogatepass")
    return frame(kind, _JSON_LENGTH.pack(len(encoded)) + encoded + tail)


def call_frame(number: int, name: str, arguments: str) -> bytes:
    """A call of a tool, whose arguments are JSON already."""
    body = f'{{"name": {_encode(name)}, "arguments": {arguments}}}'
    return numbered_frame(TOOL_CALL, number, body.encode("utf-8", "surrogatepass"))


def numbered_frame(kind: int, number: int, encoded: bytes) -> bytes:
    """One frame that belongs to a call."""
    return frame(kind, NUMBER.pack(number) + encoded)


def parse_number(payload: bytes) -> tuple[int, bytes]:
    """Split a payload made by :func:`numbered_frame`.

    Raises:
        ProtocolError: if it is too short to be one.
    """
    if len(payload) < NUMBER.size:
        raise ProtocolError("a frame that belongs to a call has no number")
    return NUMBER.unpack_from(payload)[0], payload[NUMBER.size :]


def bounded_int(digits: str) -> int | None:
    """A whole number; None if it has so many digits that reading it holds up everybody."""
    return int(digits) if len(digits) <= _MOST_DIGITS else None


# Made once, since code can put others in the place of json's own functions.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_decode = json.JSONDecoder(parse_constant=lambda _: None, parse_int=bounded_int).decode


def parse_json(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a payload made by :func:`json_frame`.

    Raises:
        ProtocolError: if it is not one.
    """
    if len(payload) < _JSON_LENGTH.size:
        raise ProtocolError("a control frame is shorter than any")
    end = _JSON_LENGTH.size + _JSON_LENGTH.unpack_from(payload)[0]
    if len(payload) < end:
        raise ProtocolError("a control frame is shorter than it says")
    return parse_object(payload[_JSON_LENGTH.size : end]), payload[end:]


def parse_object(encoded: bytes) -> dict[str, Any]:
    """An object out of JSON; what is no Unicode, no JSON number or a huge one is replaced.

    Raises:
        ProtocolError: if it is none.
    """
    try:
        text = encoded.decode("utf-8", "replace")
        body = _decode(text)
        if "\\u" in text:  # an escape can still make half a surrogate pair, which nothing after this could encode
            whole = _encode(body).encode("utf-16", "surrogatepass")
            body = _decode(whole.decode("utf-16", "replace"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a control frame is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError("a control frame is not an object")
    return body


def is_deep(body: Any) -> bool:
    """Whether a body is nested so deep that encoding or showing it might fail where reading it did not."""
    level = [body]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _members(value) if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def _members(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


class Decoder:
    """Cuts a stream of bytes into frames; the longest payload is capped before it is kept."""

    def __init__(self, max_payload: int) -> None:
        self.max_payload = max_payload
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete after ``data``.

        Raises:
            ProtocolError: if a frame announces more than the cap.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind = HEADER.unpack_from(self._buffer)
            if length > self.max_payload:
                raise ProtocolError(f"a frame announces {length} bytes, over the cap of {self.max_payload}")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield kind, payload
