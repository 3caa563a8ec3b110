"""Bounds on what a model server may send, counted while it comes and before anybody puts it together."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

# Beyond these a server is broken, or means no good.
_MOST_OF_ERROR = 256 << 10
_MOST_OF_LINE = 8 << 20
_MOST_OF_STREAM = 128 << 20


async def bound(response: httpx2.Response) -> None:
    """Hook of a client: have a response fail once it is larger than any honest one.

    Raises:
        httpx2.DecodingError: if it is compressed: nobody asked for that, and what it holds nobody knows.
    """
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise httpx2.DecodingError(f"the answer is compressed ({encoding[:32]}), though none was to be")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream, _MOST_OF_ERROR if response.is_error else _MOST_OF_STREAM)


class _Bounded(httpx2.AsyncByteStream):
    """The bytes of a response, up to a bound of all of them and of a line."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = line = 0
        async for chunk in self._stream:
            total += len(chunk)
            end = chunk.rfind(b"\n")
            line = line + len(chunk) if end < 0 else len(chunk) - end - 1
            if total > self._most or line > _MOST_OF_LINE:
                raise httpx2.ReadError(f"the answer is over {self._most} bytes, or a line over {_MOST_OF_LINE}")
            yield chunk

    async def aclose(self) -> None:
        """Close what is bounded."""
        await self._stream.aclose()
