"""Files that are uploaded by a form, in whichever dialect."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import aclosing

from starlette.requests import Request

from ..store import FileDetails, FileRecord, Store
from .attachments import base_name
from .media_types import BYTES, mime_of_name, plain_mime
from .parameters import BadParameter
from .service import owner_of
from .uploads import FileForm

_DIGITS = re.compile(r"[0-9]{1,16}")


async def receive_file(
    request: Request,
    store: Store,
    file_id: str,
    fields: Collection[str],
    max_bytes: int,
    describe: Callable[[FileForm, str], FileDetails],
) -> FileRecord:
    """Store the file of a form while it comes.

    Args:
        fields: the names that the form may have beside ``file``.
        describe: asked once all has come, with the form and the file's name without its folders.

    Raises:
        BadParameter: if the form has no file.
        TooLarge: after ``max_bytes``.
        QuotaExceeded: when the owner would store more than may be.
    """
    async with FileForm(request, fields, max_bytes) as form:
        if await form.find_file() is None:
            raise BadParameter("file", "the form has no part named file", code="missing_required_parameter")
        filename = base_name(form.filename or "", "file")
        async with aclosing(form.chunks()) as chunks:
            return await store.files.receive(
                file_id, owner_of(request), chunks, max_bytes, lambda: describe(form, filename)
            )


def mime_of(form: FileForm) -> str:
    """The type of a form's file: what the form says, or what its name tells."""
    said = plain_mime(form.mime)
    return said if said and said != BYTES else mime_of_name(form.filename or "")


def seconds_of(text: str, param: str, least: int, most: int) -> int:
    """The seconds that a field gives.

    Raises:
        BadParameter: if they are no number within the bounds.
    """
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise BadParameter(param, f"{param} must be a number from {least} to {most}")
    return int(text)
