"""The header ``Range`` (RFC 9110, section 14)."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from .errors import RangeRefused

SINGLE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


def requested_range(headers: Headers, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last that are asked for; None for the whole file.

    What cannot be understood, and several ranges at once, are answered with the whole file, as the RFC
    allows. So is ``If-Range``: there are no validators that it could have.

    Raises:
        RangeRefused: if the range begins after the end of the file.
    """
    match = SINGLE.fullmatch(headers.get("range", "").replace(" ", ""))
    if not match or "if-range" in headers:
        return None
    first, last = match.groups()
    if first:
        return _between(int(first), int(last) if last else size - 1, size)
    return _between(max(0, size - int(last)), size - 1, size) if last else None


def _between(first: int, last: int, size: int) -> tuple[int, int] | None:
    if first >= size:
        raise RangeRefused(size)
    return (first, min(last, size - 1) + 1) if first <= last else None
