"""Where the code of a conversation runs."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NotFound
from ..guest.lockdown import WORKSPACE
from ..store import FileRecord, Page
from ..turn.container import Container
from ..turn.expiry import ContainerExpired
from .service import Service

EXPIRED = "[The sandbox of the earlier code has expired: its variables and files are gone.]"
_MOST_FILES = 100


async def automatic_container(
    service: Service, owner: str, memory_bytes: int | None, earlier: Sequence[str]
) -> tuple[Container, list[str]]:
    """The container of the conversation, or a new one; and what the model is told of it.

    Args:
        earlier: the containers of the conversation, the latest first.

    Raises:
        OverCeiling: if no container may have so much memory.
    """
    containers, notes = service.turns.containers, list[str]()
    for container_id in earlier[:1]:
        try:
            return await containers.usable(container_id, owner), []
        except ContainerExpired:
            notes = [EXPIRED]
        except NotFound:
            pass  # never used, or not the caller's: as if it had not been named
    return containers.new(owner, memory_bytes=memory_bytes), notes


async def check_files(service: Service, owner: str, file_ids: Sequence[str]) -> list[FileRecord]:
    """The files of these ids; raises NotFound if one of them is not there."""
    return [await service.store.files.get(file_id, owner) for file_id in file_ids]


def files_note(names: Sequence[str]) -> list[str]:
    """What the model is told of the user's files; nothing if there are none."""
    return [f"[The user's files: {', '.join(f'{WORKSPACE}/{name}' for name in names)}]"] if names else []


async def files_of_user(service: Service, container: Container) -> list[str]:
    """What the user has put, or is to be put for the user, into a container."""
    owner = container.record.owner
    put = await service.store.containers.files(container.id, owner, Page(limit=_MOST_FILES, order="asc"))
    names = [file.path for file in put.data if file.source == "user"]
    for file_id in container.record.file_ids:
        try:
            names.append((await service.store.files.get(file_id, owner)).filename)
        except NotFound:
            pass  # its time was over, or it was deleted; what was copied of it is among the others
    return list(dict.fromkeys(names))
