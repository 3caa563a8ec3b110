"""The files of a sandbox of this process."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from insitu.options import AsyncContent, async_chunks, download_target
from insitu.types import FileInfo

if TYPE_CHECKING:
    from insitu.engine import Workspace

Listing = list[FileInfo]


class AsyncSandboxFiles:
    """The workspace; its paths are relative, or absolute below ``/mnt/data`` or ``/home/user``."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace

    async def write(self, path: str, content: AsyncContent) -> FileInfo:
        """Makes or replaces a file and its folders; a string is text, a ``Path`` a file of this machine."""
        return await self._workspace().write(path, async_chunks(content))

    async def upload(self, local: str | PathLike[str], path: str | None = None) -> FileInfo:
        """Copies a file of this machine into the workspace, by default under its own name."""
        return await self.write(path or Path(local).name, Path(local))

    async def read(self, path: str) -> bytes:
        """All of a file."""
        return b"".join([chunk async for chunk in self._workspace().read(path)])

    async def download(self, path: str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        with download_target(path, to) as (target, part):
            async with await anyio.open_file(part, "wb") as file:
                async for chunk in self._workspace().read(path):
                    await file.write(chunk)
        return target

    async def delete(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        await self._workspace().delete(path)

    async def list(self, path: str = "", depth: int = 1) -> Listing:
        """What a folder holds, down to ``depth``; at most 1000 entries."""
        return await self._workspace().list(path, depth)
