"""Keeping the files that code makes, beside the turn that goes on: they outlive their sandbox."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.abc import TaskGroup

from ..engine import Session
from ..errors import InsituError, NotFound, QuotaExceeded, TooLarge
from ..types import MIB
from .containers import Containers
from .events import MOST_FILES, CallDone, MadeFile, TurnEvent
from .fetchable import deleted_of

_log = logging.getLogger("insitu.turn")

# Larger files live and die with their container.
_MOST_BYTES = 64 * MIB
# Files so small are copied together, as many as make a batch.
_SMALL_BYTES = MIB // 4
_BATCH_BYTES = 8 * MIB
# For what is left to do when the turn has failed, or nobody waits for it any more.
_LEFT_S = 5.0


class Keeper:
    """Keeps the files of one turn, a few at a time and in the order in which they were made."""

    def __init__(self, containers: Containers, owner: str, tasks: TaskGroup) -> None:
        self._containers = containers
        self._owner = owner
        self._tasks = tasks
        self._alone = anyio.Lock()
        self._calls = 0
        self._seen: dict[str, tuple[int, MadeFile]] = {}
        self._waiting: dict[str, MadeFile] = {}

    def hear(self, event: TurnEvent) -> None:
        """Take something that happened in the turn: the files of a call are kept as soon as it is done."""
        if not isinstance(event, CallDone):
            return
        self._calls += 1
        for file in event.files:
            if file.id in self._seen or len(self._seen) < MOST_FILES:
                self._seen[file.id] = (self._calls, file)
                self._waiting[file.id] = file
        if self._waiting:
            self._tasks.start_soon(self._keep_waiting)

    async def finish(self) -> None:
        """Keep what is left to keep, and forget what a later call has deleted again."""
        await self._keep_waiting()
        earlier = [file for call, file in self._seen.values() if call < self._calls]
        for container_id in dict.fromkeys(file.container_id for file in earlier):
            some = [file for file in earlier if file.container_id == container_id]
            with _told(some):
                await self._forget_deleted(container_id, some)

    async def _keep_waiting(self) -> None:
        async with self._alone:
            while self._waiting:
                batch = self._next_batch()
                for file in batch:
                    del self._waiting[file.id]
                try:
                    await self._keep(batch)
                except anyio.get_cancelled_exc_class():
                    self._waiting = {file.id: file for file in batch} | self._waiting
                    raise

    def _next_batch(self) -> list[MadeFile]:
        """One large file, or small ones of one container."""
        batch: list[MadeFile] = []
        size = 0
        for file in self._waiting.values():
            size += file.size
            alone = file.size > _SMALL_BYTES
            if batch and (alone or size > _BATCH_BYTES or file.container_id != batch[0].container_id):
                break
            batch.append(file)
            if alone:
                break
        return batch

    async def _keep(self, batch: Sequence[MadeFile]) -> None:
        with _told(batch):
            session = (await self._containers.get(batch[0].container_id, self._owner)).living_session
            if session is None:
                return
            if batch[0].size > _SMALL_BYTES:
                await self._keep_large(session, batch[0])
            else:
                await self._keep_small(session, batch)

    async def _keep_large(self, session: Session, file: MadeFile) -> None:
        if file.size <= _MOST_BYTES:
            content = session.files.read(file.path)
            await self._containers.store.containers.keep(file.container_id, file.id, self._owner, content, _MOST_BYTES)

    async def _keep_small(self, session: Session, batch: Sequence[MadeFile]) -> None:
        contents = {}
        for file in batch:
            with _told([file]):
                contents[file.id] = await session.files.read_all(file.path, _SMALL_BYTES)
        await self._containers.store.containers.keep_small(batch[0].container_id, self._owner, contents)

    async def _forget_deleted(self, container_id: str, files: Sequence[MadeFile]) -> None:
        container = await self._containers.get(container_id, self._owner)
        if gone := await deleted_of(container, files):
            await self._containers.store.containers.delete_files(container_id, self._owner, gone)


@contextmanager
def _told(files: Sequence[MadeFile]) -> Iterator[None]:
    """Go on where files cannot be kept; that is no reason to take the answer away."""
    try:
        yield
    except (NotFound, TooLarge, QuotaExceeded):
        pass  # deleted or grown meanwhile, or the owner's room is used up: it is there while the sandbox is
    except InsituError as exc:
        first, more = files[0], len(files) - 1
        _log.warning("%.200r and %d more of %s: not kept: %s", first.path, more, first.container_id, exc)


@asynccontextmanager
async def keeping(containers: Containers, owner: str) -> AsyncIterator[Keeper]:
    """A turn's keeper; all is kept at the end of the block, also when it fails or is cancelled."""
    # Raised below: the task group would make a group of it.
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:
        keeper = Keeper(containers, owner, tasks)
        try:
            yield keeper
        except BaseException as exc:
            with anyio.move_on_after(_LEFT_S, shield=True):
                await keeper.finish()
            if not isinstance(exc, Exception):
                raise
            failures.append(exc)
        else:
            await keeper.finish()
        tasks.cancel_scope.cancel()
    if failures:
        raise failures.pop()  # out of this frame, which is in its traceback: they would hold each other
