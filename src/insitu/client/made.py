"""Answers, and the files that code has made for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path, PureWindowsPath
from typing import Any

import anyio

from insitu.errors import NotFound
from insitu.options import download_target
from insitu.types import Answer, AnswerFile

from . import calls
from .calls import Call
from .transport import AsyncTransport, Transport


class _FromServer(Answer):
    """What answers have in common, in both colours."""

    __slots__ = ()

    def _call(self, file: AnswerFile | str) -> Call[bytes]:
        found = self._find(file)
        return calls.read_container_file(found.container_id, found.id)

    def _find(self, file: AnswerFile | str) -> AnswerFile:
        if isinstance(file, AnswerFile):
            return file
        for found in self.files:
            if found.name == file:
                return found
        names = ", ".join(each.name for each in self.files)
        raise NotFound(f"the answer has no file {file!r}", hint=f"it has: {names or 'none'}")


@dataclass(frozen=True, slots=True)
class ClientAnswer(_FromServer):
    """An answer, and its files; they can be had for as long as the server keeps them, and the client is open."""

    _transport: Transport = field(kw_only=True, repr=False, compare=False)

    def read(self, file: AnswerFile | str) -> bytes:
        """All of a file."""
        return b"".join(self._transport.download(self._call(file)))

    def download(self, file: AnswerFile | str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        found = self._find(file)
        with download_target(plain_name(found.name), to) as (target, part):
            with part.open("wb") as local:
                local.writelines(self._transport.download(self._call(found)))
        return target

    def save(self, folder: str | PathLike[str] = ".") -> list[Path]:
        """Copies all files into a folder, under names that nothing there has yet; returns where they are."""
        return [self.save_file(file, folder) for file in self.files]

    def save_file(self, file: AnswerFile | str, folder: str | PathLike[str] = ".") -> Path:
        """Copies a file into a folder, under a name that nothing there has yet; returns where it is."""
        target = free_path(Path(folder), self._find(file).name)
        try:
            return self.download(file, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class AsyncClientAnswer(_FromServer):
    """An answer, and its files; they can be had for as long as the server keeps them, and the client is open."""

    _transport: AsyncTransport = field(kw_only=True, repr=False, compare=False)

    async def read(self, file: AnswerFile | str) -> bytes:
        """All of a file."""
        return b"".join([chunk async for chunk in self._transport.download(self._call(file))])

    async def download(self, file: AnswerFile | str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        found = self._find(file)
        with download_target(plain_name(found.name), to) as (target, part):
            async with await anyio.open_file(part, "wb") as local:
                async for chunk in self._transport.download(self._call(found)):
                    await local.write(chunk)
        return target

    async def save(self, folder: str | PathLike[str] = ".") -> list[Path]:
        """Copies all files into a folder, under names that nothing there has yet; returns where they are."""
        return [await self.save_file(file, folder) for file in self.files]

    async def save_file(self, file: AnswerFile | str, folder: str | PathLike[str] = ".") -> Path:
        """Copies a file into a folder, under a name that nothing there has yet; returns where it is."""
        target = free_path(Path(folder), self._find(file).name)
        try:
            return await self.download(file, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def free_path(folder: Path, name: str) -> Path:
    """A new, empty file of this name in the folder, or of one like it: ``plot-1.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = Path(plain_name(name))
    number = 0
    while True:
        path = folder / (f"{plain.stem}-{number}{plain.suffix}" if number else plain)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return path
        except FileExistsError:
            number += 1


def plain_name(name: str) -> str:
    """A file's name as it may be used here, though code in a sandbox chose it.

    It names no place elsewhere, no file that a shell reads by itself, and what begins with a dash would be an option.
    """
    last = PureWindowsPath(name).name.lstrip(".-")
    return "".join(c for c in last if c.isprintable()) or "file"


def fields_of(answer: Answer, sizes: Mapping[str, int]) -> dict[str, Any]:
    """The fields of an answer, with the sizes of its files in bytes."""
    parts = {each.name: getattr(answer, each.name) for each in fields(answer)}
    return {**parts, "files": tuple(replace(file, size=sizes.get(file.id)) for file in answer.files)}
