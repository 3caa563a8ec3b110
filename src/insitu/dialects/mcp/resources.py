"""The files of sessions as resources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

import mcp_types as types

from ...engine import Session
from ...errors import InvalidRequest, NotFound, PathRefused
from ...heavy import encoded, heavy
from ...types import FileInfo
from ...web.media_types import BYTES, mime_of_name
from .models import FileEntry
from .sandboxes import Sandboxes

TEMPLATE = "insitu://sessions/{session_id}/files/{+path}"
_PREFIX, _FILES = "insitu://sessions/", "/files/"
# What is read in one piece: a larger file is for the HTTP API.
MOST_BYTES = 8 << 20
_DEPTH = 8
_CURSOR = re.compile(r"sess_[0-9a-f]{32}")
# How a byte of a name that is not UTF-8 is told: by its path such a file is not found again.
_NO_UTF8 = re.compile(r"\\udc[89a-f][0-9a-f]")


def uri_of(session_id: str, path: str) -> str:
    """The URI of a file."""
    return f"{_PREFIX}{session_id}{_FILES}{quote(path)}"


def entry(session: Session, info: FileInfo) -> FileEntry:
    """A file as clients see it; what cannot be read has no URI."""
    uri = uri_of(session.id, info.path) if readable(info) else None
    return FileEntry(path=info.path, size=info.size, kind=info.kind, uri=uri)


def readable(info: FileInfo) -> bool:
    """Whether it is a plain file, and its path leads to it."""
    return info.kind == "file" and not _NO_UTF8.search(info.path)


async def page(sandboxes: Sandboxes, cursor: str | None) -> types.ListResourcesResult:
    """The files of one session, and by ``next_cursor`` those of the next.

    Raises:
        InvalidRequest: if the cursor is none of these.
    """
    sessions = sandboxes.engine.sessions(owner=sandboxes.owner)
    left = sessions if cursor is None else _from(sessions, cursor)
    if not left:
        return types.ListResourcesResult(resources=[])
    files = await left[0].files.list("", _DEPTH)
    resources = [_resource(left[0], info) for info in files if readable(info)]
    return types.ListResourcesResult(resources=resources, next_cursor=left[1].id if len(left) > 1 else None)


def _from(sessions: Sequence[Session], session_id: str) -> Sequence[Session]:
    if not _CURSOR.fullmatch(session_id):
        raise InvalidRequest(
            f"{session_id[:100]!r} is no cursor of resources/list", hint="give its next_cursor, or none"
        )
    # One that has ended meanwhile ends the list: the client sees less than there is, and never the same again.
    at = next((index for index, session in enumerate(sessions) if session.id == session_id), len(sessions))
    return sessions[at:]


def _resource(session: Session, info: FileInfo) -> types.Resource:
    return types.Resource(
        uri=uri_of(session.id, info.path),
        name=info.path,
        description=f"a file of the session {session.id}",
        mime_type=mime_of_name(info.path),
        size=info.size,
    )


async def read(sandboxes: Sandboxes, uri: str) -> types.TextResourceContents | types.BlobResourceContents:
    """The content of a file.

    Raises:
        NotFound: if there is no such session or file.
        PathRefused: if no file can be there.
        TooLarge: if it has more bytes than are read in one piece.
    """
    session_id, found, path = uri.removeprefix(_PREFIX).partition(_FILES)
    if not uri.startswith(_PREFIX) or not found:
        raise NotFound(f"there is no resource {uri[:200]!r}", hint=f"resources are {TEMPLATE}")
    return await content_of(sandboxes.session(session_id), _unquoted(path))


def _unquoted(path: str) -> str:
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise PathRefused(path, "it is not UTF-8") from None


async def content_of(session: Session, path: str) -> types.TextResourceContents | types.BlobResourceContents:
    """The content of a session's file: text where it is text, base64 otherwise."""
    content = await session.files.read_all(path, MOST_BYTES)
    uri, mime = uri_of(session.id, path), mime_of_name(path)
    try:
        text = content.decode() if b"\0" not in content else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        return types.BlobResourceContents(uri=uri, mime_type=mime, blob=await heavy(len(content), encoded, content))
    return types.TextResourceContents(uri=uri, mime_type="text/plain" if mime == BYTES else mime, text=text)
