"""A session's files, seen from outside: paths are checked here and resolved in the sandbox, never on the host."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

import anyio

from ..errors import (
    FileMissing,
    InsituError,
    InvalidRequest,
    IsFolder,
    PathRefused,
    SandboxFailed,
    TooLarge,
    WorkspaceFull,
)
from ..guest.workspace import CHUNK, ROOTS, TEMPORARY
from ..isolation.base import AgentRefused
from ..types import FileInfo
from .claims import is_a, number, told

_MAX_PATH, _MAX_NAME = 4096, 255
# What databases and other languages take for a number of bytes.
_MAX_SIZE = (1 << 63) - 1
# Seconds from 1970, in the years 69 to 3871: other times are more than calendars can say.
_MAX_TIME = 6e10

# Asks the agent to do something, and returns what it says and gives.
Request = Callable[..., Awaitable[tuple[dict[str, Any], bytes]]]


def relative_path(path: str) -> str:
    """A path relative to the workspace, or "" for the workspace itself.

    Raises:
        PathRefused: if it leads out, or no file system could hold it.
    """
    for root in ROOTS:
        if path == root or path.startswith(f"{root}/"):
            path = path[len(root) + 1 :]
            break
    if path.startswith("/"):
        raise PathRefused(path, "it is absolute, and not below the workspace")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathRefused(path, "it has a part '..'")
    if "\0" in path:
        raise PathRefused(path, "it has a NUL byte")
    try:
        longest = max((len(part.encode()) for part in parts), default=0)
    except UnicodeEncodeError:
        raise PathRefused(path.encode("utf-8", "replace").decode(), "it is not valid Unicode") from None
    if longest > _MAX_NAME or len(path.encode()) > _MAX_PATH:
        raise PathRefused(f"{path[:64]}…", f"a name is over {_MAX_NAME} bytes, or all of it over {_MAX_PATH}")
    return "/".join(parts)


def file_info(entry: Mapping[str, Any]) -> FileInfo:
    """What the sandbox claims of a file, with its types made sure of."""
    kind, size, modified = entry.get("kind"), entry.get("size"), entry.get("modified")
    return FileInfo(
        path=str(entry.get("path"))[:_MAX_PATH],
        size=min(max(0, size), _MAX_SIZE) if is_a(size, int) else 0,
        kind=kind if kind in ("file", "directory", "link") else "other",
        modified=number(modified, -_MAX_TIME, _MAX_TIME),
    )


class NewFile(Protocol):
    """A file to put into a workspace before code runs."""

    @property
    def path(self) -> str:
        """Where to."""

    def chunks(self) -> AsyncIterator[bytes]:
        """What is in it, read when it is written there."""


class Workspace:
    """The files of one session.

    Every operation raises ``PathRefused`` for a path or a link that leads out or cannot be used, ``FileMissing`` for
    what is not there, and ``SandboxFailed`` for what is no fault of the path.
    """

    def __init__(self, request: Request, on_write: Callable[[Mapping[str, Any]], None], disk_bytes: int) -> None:
        self._ask_agent = request
        self._on_write = on_write
        self._disk_bytes = disk_bytes

    async def list(self, path: str = "", depth: int = 1) -> list[FileInfo]:
        """Describe what is in a folder, breadth first; at most 1,000 entries."""
        if not 1 <= depth <= 32:
            raise InvalidRequest(f"depth is {depth}; it must be 1 to 32")
        body, _ = await self._ask(path, "list", depth=depth)
        return [file_info(entry) for entry in told(body, "entries", list) if isinstance(entry, dict)]

    async def stat(self, path: str) -> FileInfo:
        """Describe one path; a link is not followed."""
        body, _ = await self._ask(path, "stat")
        return file_info(told(body, "entry", dict))

    async def size(self, path: str) -> int:
        """The size of a regular file, in bytes; links within the workspace are followed."""
        body, _ = await self._ask(path, "size")
        return min(max(0, told(body, "size", int)), _MAX_SIZE)

    async def read(self, path: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield a file's bytes from ``start`` up to ``end``, never more than it had at the beginning."""
        size = await self.size(path)
        end = size if end is None else min(end, size)
        while start < end:
            _, data = await self._ask(path, "read", offset=start, length=min(CHUNK, end - start))
            if not data:
                return  # it was cut short meanwhile
            data = data[: end - start]
            start += len(data)
            yield data

    async def read_all(self, path: str, max_bytes: int) -> bytes:
        """A whole file.

        Raises:
            TooLarge: if it has more than ``max_bytes``.
        """
        _, data = await self._ask(path, "read", offset=0, length=CHUNK)
        if len(data) < CHUNK and len(data) <= max_bytes:
            return data  # as most files are: one question is enough
        if (size := await self.size(path)) > max_bytes:
            raise TooLarge(f"{path!r} has {size} bytes; at most {max_bytes} can be had in one piece")
        return b"".join([chunk async for chunk in self.read(path, 0, size)])  # it may have grown since

    async def write(self, path: str, chunks: AsyncIterable[bytes], *, max_bytes: int | None = None) -> FileInfo:
        """Write a file, making its folders; what was there before is replaced at the end, in one step.

        Raises:
            TooLarge: after ``max_bytes``.
            WorkspaceFull: if the disk limit is reached.
        """
        target = relative_path(path)
        folder, _, name = target.rpartition("/")
        if not name:
            raise PathRefused(path, "it names the workspace itself")
        if any(part.startswith(TEMPORARY) for part in target.split("/")):
            raise PathRefused(path, f"names that begin with {TEMPORARY} are those of files on their way in")
        # Code in the sandbox sees this name: it must neither be foreseen nor tell anything.
        unfinished = f"{TEMPORARY}{secrets.token_hex(8)}"
        temporary = f"{folder}/{unfinished}" if folder else unfinished
        try:
            await self._write_chunks(temporary, chunks, max_bytes)
            body, _ = await self._request(temporary, "rename", "source", target=target)
            entry = told(body, "entry", dict)
        except BaseException as error:
            await self._discard(temporary)
            if isinstance(error, AgentRefused):
                raise self._translate(path, error) from None
            raise
        self._on_write(entry)
        return file_info(entry)

    async def _write_chunks(self, path: str, chunks: AsyncIterable[bytes], max_bytes: int | None) -> None:
        offset = 0
        await self._request(path, "write", offset=0)
        async for chunk in chunks:
            if max_bytes is not None and offset + len(chunk) > max_bytes:
                raise TooLarge(
                    f"the upload has more than {max_bytes} bytes",
                    hint="send a smaller one, or have the operator raise upload_bytes",
                )
            for begin in range(0, len(chunk), CHUNK):
                piece = chunk[begin : begin + CHUNK]
                await self._request(path, "write", tail=piece, offset=offset)
                offset += len(piece)

    async def _discard(self, temporary: str) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._request(temporary, "delete")
            except (AgentRefused, InsituError):
                pass  # it was never made, or the session is gone

    async def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it."""
        if not relative_path(path):
            raise PathRefused(path, "it names the workspace itself")
        await self._ask(path, "delete")

    async def _ask(self, path: str, do: str, **arguments: Any) -> tuple[dict[str, Any], bytes]:
        try:
            return await self._request(relative_path(path), do, **arguments)
        except AgentRefused as error:
            raise self._translate(path, error) from None

    def _translate(self, path: str, error: AgentRefused) -> InsituError:
        if error.errno in ("ENOSPC", "EDQUOT", "ENOMEM"):
            return WorkspaceFull(path, self._disk_bytes)
        return _translate(path, error)

    async def _request(
        self, path: str, do: str, argument: str = "path", *, tail: bytes = b"", **arguments: Any
    ) -> tuple[dict[str, Any], bytes]:
        named: dict[str, Any] = {argument: path, **arguments}
        return await self._ask_agent(do, tail, **named)


def _translate(path: str, error: AgentRefused) -> InsituError:
    match error.errno:
        case "ENOENT" | "ENOTDIR":
            return FileMissing(path)
        case "EXDEV" | "ELOOP" | "EAGAIN":
            return PathRefused(path, "a link in it leads out of the workspace")
        case "ENAMETOOLONG":
            return PathRefused(path, "it is too long")
        case "EISDIR":
            return IsFolder(path)
        case "EINVAL" | "ENXIO":
            return PathRefused(path, "it is no regular file")
        case "ENOTEMPTY":
            return PathRefused(path, "files are put into it all the time")
        case "EBUSY":
            return PathRefused(path, "packages of the environment are in it")
        case "EACCES" | "EPERM":
            return PathRefused(path, "its permissions do not allow that")
        case _:
            return SandboxFailed(f"the workspace could not be used for {path!r}: {error}")
