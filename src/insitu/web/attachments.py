"""Files that come with a message: they are put where code runs, and the model is told where they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..engine.workspace import relative_path
from ..errors import PathRefused
from ..guest.lockdown import WORKSPACE
from ..heavy import decoded, heavy
from ..store import FileRecord
from ..turn.container import Container
from ..turn.request import Attached
from .parameters import BadParameter

_MOST_NAME_BYTES = 255


async def attach(
    container: Container,
    file: Mapping[str, Any],
    param: str,
    find: Callable[[str], Awaitable[FileRecord]],
    attached: Attached,
) -> str:
    """Have a file in the workspace when code next runs.

    Args:
        file: its ``file_id``; or its ``filename`` and, in base64, its ``file_data``.
        param: where it stands in the request.
        find: finds a stored file by its id.
        attached: what the turn is to put there, to which the file is added.

    Returns:
        What the model is told of it.

    Raises:
        BadParameter: if it is malformed.
        NotFound: if there is no such file.
    """
    if file.get("file_id"):
        record = await find(str(file["file_id"]))
        attached.add_stored(container, [record.id])
        name = record.filename
    else:
        name = base_name(str(file.get("filename") or "file"), param)
        attached.contents.append((name, await _decoded(file.get("file_data"), param)))
    return placed(name)


def placed(name: str) -> str:
    """What the model is told of a file that is put where code runs."""
    return f"[the user's file {name} is {WORKSPACE}/{name}]"


def base_name(filename: str, param: str) -> str:
    """The last part of a file's name, as its client has it.

    Raises:
        BadParameter: if no file can have that name.
    """
    name = filename.replace("\\", "/").rpartition("/")[2]
    try:
        # It becomes a path, once the file is put into a container.
        if relative_path(name) and len(name.encode("utf-8", "replace")) <= _MOST_NAME_BYTES:
            return name
    except PathRefused:
        pass
    raise BadParameter(param, f"{filename[:200]!r} is no name that a file can have")


async def _decoded(data: object, param: str) -> bytes:
    if not isinstance(data, str):
        raise BadParameter(param, "a file has neither a file_id nor file_data", code="missing_required_parameter")
    try:
        return await heavy(len(data), decoded, data.rpartition(",")[2])
    except ValueError as exc:
        raise BadParameter(param, f"the base64 of a file_data cannot be read: {exc}") from None
