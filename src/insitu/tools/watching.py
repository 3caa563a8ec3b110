"""A transport of MCP's that tells when the other side has closed it, which the official client keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import anyio


class Watched:
    """A transport that tells when the other side has closed it."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Any]], lost: anyio.Event) -> None:
        self._opened, self._lost = opened, lost
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Any:
        read, write = await self._stack.enter_async_context(self._opened())
        return _WatchedStream(read, self._lost), write

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        return await self._stack.__aexit__(*exc_info)


class _WatchedStream:
    def __init__(self, stream: Any, lost: anyio.Event) -> None:
        self._stream, self._lost = stream, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> _WatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._lost.set()
            raise

    async def __aenter__(self) -> _WatchedStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()
