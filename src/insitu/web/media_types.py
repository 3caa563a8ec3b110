"""Media types of files: what is said of them, and what their names tell."""

from __future__ import annotations

import mimetypes
import re

BYTES = "application/octet-stream"
"""The type of what has no other."""

_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)


def mime_of_name(filename: str) -> str:
    """The type of a file as far as its name tells it."""
    return mimetypes.guess_type(filename)[0] or BYTES


def plain_mime(said: object) -> str | None:
    """A type without its parameters; None if it is none."""
    plain = said.partition(";")[0].strip().lower() if isinstance(said, str) else ""
    return plain if _TYPE.fullmatch(plain) else None
