"""Files that code has made, brought to where other code runs."""

from __future__ import annotations

from ...turn.container_files import ContainerFiles
from ...types import MIB
from ...web.holding import Holding
from ...web.parameters import BadParameter
from ...web.service import Service

MADE = "cfile_"
"""What the ids of files begin with that code has made."""

_MOST_BYTES = 20 * MIB


async def read_made(service: Service, owner: str, holding: Holding, file_id: str, where: str) -> tuple[str, bytes]:
    """The name and the bytes of a file.

    Args:
        holding: counts them.
        where: the file is named in the request.

    Raises:
        BadParameter: if it is too large.
        NotFound: if it is gone, was never there, or is someone else's.
    """
    file = await service.store.containers.find_file(file_id, owner)
    container = await service.turns.containers.get(file.container_id, owner)
    content = await ContainerFiles(service.store, container).open(file_id)
    if content.size > _MOST_BYTES:
        raise BadParameter(where, f"{where}: {file_id} has {content.size} bytes; {_MOST_BYTES} is the most")
    holding.take(content.size)
    return file.name, await content.whole()
