"""The files of a session on a server."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from insitu.options import AsyncContent, Content, async_chunks, chunks, download_target
from insitu.types import FileInfo

from . import calls

if TYPE_CHECKING:
    from .transport import AsyncTransport, Transport

Listing = list[FileInfo]


class SessionFiles:
    """The workspace; its paths are relative, or absolute below ``/mnt/data`` or ``/home/user``."""

    def __init__(self, session_id: str, transport: Callable[[], Transport]) -> None:
        self._id = session_id
        self._transport = transport

    def write(self, path: str, content: Content) -> FileInfo:
        """Makes or replaces a file and its folders; a string is text, a ``Path`` a file of this machine."""
        return self._transport().send(calls.write_file(self._id, path), chunks(content))

    def upload(self, local: str | PathLike[str], path: str | None = None) -> FileInfo:
        """Copies a file of this machine into the workspace, by default under its own name."""
        return self.write(path or Path(local).name, Path(local))

    def read(self, path: str) -> bytes:
        """All of a file."""
        return b"".join(self._transport().download(calls.read_file(self._id, path)))

    def download(self, path: str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        with download_target(path, to) as (target, part):
            with part.open("wb") as file:
                file.writelines(self._transport().download(calls.read_file(self._id, path)))
        return target

    def delete(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        self._transport().send(calls.delete_file(self._id, path))

    def list(self, path: str = "", depth: int = 1) -> Listing:
        """What a folder holds, down to ``depth``; at most 1000 entries."""
        return self._transport().send(calls.list_files(self._id, path, depth))


class AsyncSessionFiles:
    """The workspace; its paths are relative, or absolute below ``/mnt/data`` or ``/home/user``."""

    def __init__(self, session_id: str, transport: Callable[[], AsyncTransport]) -> None:
        self._id = session_id
        self._transport = transport

    async def write(self, path: str, content: AsyncContent) -> FileInfo:
        """Makes or replaces a file and its folders; a string is text, a ``Path`` a file of this machine."""
        return await self._transport().send(calls.write_file(self._id, path), async_chunks(content))

    async def upload(self, local: str | PathLike[str], path: str | None = None) -> FileInfo:
        """Copies a file of this machine into the workspace, by default under its own name."""
        return await self.write(path or Path(local).name, Path(local))

    async def read(self, path: str) -> bytes:
        """All of a file."""
        return b"".join([chunk async for chunk in self._transport().download(calls.read_file(self._id, path))])

    async def download(self, path: str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        with download_target(path, to) as (target, part):
            async with await anyio.open_file(part, "wb") as file:
                async for chunk in self._transport().download(calls.read_file(self._id, path)):
                    await file.write(chunk)
        return target

    async def delete(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        await self._transport().send(calls.delete_file(self._id, path))

    async def list(self, path: str = "", depth: int = 1) -> Listing:
        """What a folder holds, down to ``depth``; at most 1000 entries."""
        return await self._transport().send(calls.list_files(self._id, path, depth))
