"""Files that come with a message: they are put where code runs, and the model is told where they are."""

from __future__ import annotations

from ..engine.workspace import relative_path
from ..errors import PathRefused
from ..guest.lockdown import WORKSPACE
from ..heavy import decoded, heavy
from .parameters import BadParameter

_MOST_NAME_BYTES = 255


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


async def read_base64(encoded: str, param: str, what: str) -> bytes:
    """The content of a file that comes as base64.

    Args:
        what: how the dialect calls it.

    Raises:
        BadParameter: if it cannot be read.
    """
    try:
        return await heavy(len(encoded), decoded, encoded)
    except ValueError as exc:
        raise BadParameter(param, f"the base64 of {what} cannot be read: {exc}") from None
