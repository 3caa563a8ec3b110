"""Which of the files that code has made can still be fetched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..errors import NotFound
from .container import Container
from .container_files import GONE, look
from .containers import Containers
from .events import MadeFile


async def fetchable(containers: Containers, owner: str, files: Iterable[MadeFile]) -> list[MadeFile]:
    """Those files that can be fetched: code has not deleted them again, and they did not go with their container."""
    by_container = defaultdict(list)
    for file in files:
        by_container[file.container_id].append(file)
    gone = {id for some in by_container.values() for id in await _not_fetchable(containers, owner, some)}
    return [file for some in by_container.values() for file in some if file.id not in gone]


async def _not_fetchable(containers: Containers, owner: str, files: Sequence[MadeFile]) -> list[str]:
    container_id = files[0].container_id
    try:
        container = await containers.get(container_id, owner)
    except NotFound:
        return [file.id for file in files]
    stored = await containers.store.containers.files_of(container_id, owner, [file.id for file in files])
    not_kept = [file for file in files if file.id not in stored or stored[file.id].blob is None]
    if container.living_session is None:
        return [file.id for file in not_kept]
    lost = [file.id for file in not_kept if file.id not in stored]
    return [*lost, *await deleted_of(container, [file for file in not_kept if file.id in stored])]


async def deleted_of(container: Container, files: Sequence[MadeFile]) -> list[str]:
    """The ids of those files that are no longer in the workspace of a living container."""
    session = container.living_session
    if session is None or not files:
        return []
    try:
        found = await container.files()
    except GONE:
        return []
    missing = [file for file in files if file.path not in found]
    deleted = [file.id for file in missing if await look(session, file.path) is None]
    # A sandbox that has died meanwhile says nothing of its files.
    return [] if container.expired else deleted
