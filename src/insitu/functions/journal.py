"""The log of invocations that were awaited: written a moment after their answers, which do not wait for it."""

from __future__ import annotations

import logging
from dataclasses import replace

import anyio

from ..types import FunctionRevision, Invocation
from .keeping import InvocationStore, brief

_log = logging.getLogger("insitu.functions")
# More than these only if the disk is slower than sandboxes are; each has some 64 KiB of text at the most.
_MOST_UNWRITTEN = 2000


class Journal:
    """What has ended and is not written yet."""

    def __init__(self, store: InvocationStore, most: int) -> None:
        self._store = store
        self._most = most
        self._ended: list[tuple[str, str, Invocation]] = []
        self._news = anyio.Event()
        self._writing = anyio.Lock()

    def add(self, owner: str, revision: FunctionRevision, invocation: Invocation) -> None:
        """Take one in."""
        self._ended.append((owner, revision.revision, replace(brief(invocation), result=None)))
        del self._ended[:-_MOST_UNWRITTEN]
        self._news.set()

    async def keep(self) -> None:
        """Write what comes, as long as the server runs."""
        while True:
            await self._news.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what there is; whoever asks for it may leave meanwhile."""
        async with self._writing:
            with anyio.CancelScope(shield=True):
                await self._write()

    async def _write(self) -> None:
        self._news = anyio.Event()
        some, self._ended = self._ended, []
        try:
            if some:
                await self._store.log(some, self._most)
        except Exception:
            # The answers are given: a disk that fails takes their log, and nothing else.
            _log.exception("%d invocations were not logged", len(some))
