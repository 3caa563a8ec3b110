"""The files that an execution made or changed, with the content of those that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..errors import InsituError
from ..heavy import encoded, heavy
from ..isolation.base import AgentRefused
from ..types import FileInfo
from .claims import told
from .listing import Listing
from .workspace import Request, Workspace

_DEPTH = 8


class Changes:
    """What changes in a workspace from execution to execution.

    Args:
        request: asks for a listing where the interpreter has left none.
        listing: what is known of the workspace.
        files: where contents come from.
    """

    def __init__(self, request: Request, listing: Listing, files: Workspace) -> None:
        self._request, self._listing, self._files = request, listing, files

    async def collect(self, claim: Mapping[str, object] | None, globs: Sequence[str], max_bytes: int) -> list[FileInfo]:
        """The files that changed since the last time, and those whose content is wanted.

        Args:
            claim: the interpreter's last frame; None if there was none.
            globs: the files whose content is wanted, changed or not.
            max_bytes: of all contents together.
        """
        try:
            changed = self._changed(claim) if claim is not None else await self._ask()
        except AgentRefused:
            return []  # the code has shut the workspace, or moved it out of reach
        if not globs:
            return changed
        wanted = {info.path: info for info in self._listing.matching(globs)}
        with_content = await self._with_contents(wanted.values(), max_bytes)
        return [*(info for info in changed if info.path not in wanted), *with_content]

    def _changed(self, claim: Mapping[str, object]) -> list[FileInfo]:
        return self._listing.update(claim["files"]) if "files" in claim else []

    async def _ask(self) -> list[FileInfo]:
        body, _ = await self._request("list", path="", depth=_DEPTH)
        return self._listing.update(told(body, "entries", list))

    async def _with_contents(self, wanted: Iterable[FileInfo], room: int) -> list[FileInfo]:
        found = []
        for info in wanted:
            content = await self._content(info, room)
            if content is None:
                found.append(info)
                continue
            room -= len(content)
            found.append(replace(info, base64=await heavy(len(content), encoded, content)))
        return found

    async def _content(self, info: FileInfo, room: int) -> bytes | None:
        try:
            return await self._files.read_all(info.path, room) if info.size <= room else None
        except InsituError:
            return None  # larger than was said, or gone already: it is named, and can be downloaded
