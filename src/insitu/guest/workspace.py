"""The workspace's files, as the agent serves them and an interpreter reports them.

Every operation is short and on its own: a chunk is read or written by offset, so a slow client never holds
the agent. Paths resolve beneath the workspace in the kernel; nothing here can follow a link out of it,
and nothing blocks on a FIFO.
"""

from __future__ import annotations

import builtins
import errno
import os
import stat
from collections.abc import Iterator
from typing import Any

from . import linux
from .lockdown import HOME, WORKSPACE

MAX_ENTRIES = 1000
MAX_DEPTH = 32
_MAX_TEXT = 1 << 18  # of all paths of a listing together: even escaped, they fit into an answer
CHUNK = 256 * 1024
ROOTS = (WORKSPACE, HOME)
TEMPORARY = ".insitu-"  # begins the names of files on their way in; they are not listed
_BENEATH = linux.RESOLVE_BENEATH | linux.RESOLVE_NO_MAGICLINKS

Entry = dict[str, Any]


class Files:
    """Operations on one workspace, by paths relative to it."""

    def __init__(self, root: str = WORKSPACE) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def stat(self, path: str) -> Entry:
        """Describe one path; a link is described, not followed."""
        parent, name = self._parent(path)
        try:
            return _entry(path, os.stat(name, dir_fd=parent, follow_symlinks=False))
        finally:
            os.close(parent)

    def list(self, path: str, depth: int) -> tuple[builtins.list[Entry], bool]:
        """Describe what is below ``path``, breadth first; whether it is all."""
        return walk(self._open(path or ".", os.O_RDONLY | os.O_DIRECTORY), path.strip("/"), depth)

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Some bytes of a regular file."""
        fd = self._regular(path, os.O_RDONLY)
        try:
            return os.pread(fd, min(length, CHUNK), offset)
        finally:
            os.close(fd)

    def size(self, path: str) -> int:
        """The size of a regular file, following links within the workspace."""
        fd = self._regular(path, os.O_RDONLY)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write at ``offset``; at 0, make the file and its parents."""
        if offset == 0:
            self._make_parents(path)
        created = os.O_CREAT | os.O_TRUNC if offset == 0 else 0
        fd = self._regular(path, os.O_WRONLY | created)
        try:
            while data:
                written = os.pwrite(fd, data, offset)
                offset, data = offset + written, data[written:]
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> Entry:
        """Move a file over ``target``; a link there is replaced, not followed."""
        from_dir, from_name = self._parent(source)
        try:
            to_dir, to_name = self._parent(target)
            try:
                os.rename(from_name, to_name, src_dir_fd=from_dir, dst_dir_fd=to_dir)
                return _entry(target, os.stat(to_name, dir_fd=to_dir, follow_symlinks=False))
            finally:
                os.close(to_dir)
        finally:
            os.close(from_dir)

    def delete(self, path: str) -> None:
        """Remove a file, a link, or a folder with all that is in it."""
        parent, name = self._parent(path)
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                _remove_tree(parent, name)
            else:
                os.unlink(name, dir_fd=parent)
        finally:
            os.close(parent)

    def _open(self, path: str, flags: int, mode: int = 0) -> int:
        if not flags & os.O_PATH:
            flags |= os.O_NONBLOCK | os.O_NOCTTY
        return linux.openat2(self._root, path, flags, mode, _BENEATH)

    def _regular(self, path: str, flags: int) -> int:
        fd = self._open(path, flags, 0o644 if flags & os.O_CREAT else 0)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(number, "not a regular file", path)
        return fd

    def _parent(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            raise OSError(errno.EXDEV, "this path is refused", path)
        return self._open(folder or ".", os.O_PATH | os.O_DIRECTORY), name

    def _make_parents(self, path: str) -> None:
        parts = [part for part in path.split("/")[:-1] if part not in ("", ".")]
        for count in range(1, len(parts) + 1):
            folder, name = self._parent("/".join(parts[:count]))
            try:
                os.mkdir(name, 0o755, dir_fd=folder)
            except FileExistsError:
                pass
            finally:
                os.close(folder)


def walk(directory: int, prefix: str, depth: int) -> tuple[list[Entry], bool]:
    """Describe what is below an open directory, which is closed; bounded in depth and number."""
    entries: list[Entry] = []
    room = _MAX_TEXT
    pending: list[tuple[int, str, int]] = [(directory, prefix, 1)]
    try:
        while pending:
            fd, base, level = pending.pop(0)
            try:
                for found in _scan(fd, base):
                    room -= len(found["path"])
                    if len(entries) >= MAX_ENTRIES or room < 0:
                        return entries, False
                    entries.append(found)
                    if found["kind"] == "directory" and level < min(depth, MAX_DEPTH):
                        child = _open_child(fd, found["path"].rpartition("/")[2])
                        if child is not None:
                            pending.append((child, found["path"], level + 1))
            finally:
                os.close(fd)
        return entries, True
    finally:
        for fd, _, _ in pending:
            os.close(fd)


def _scan(fd: int, base: str) -> Iterator[Entry]:
    with os.scandir(fd) as found:
        for item in found:
            try:
                status = os.stat(item.name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone between the two calls
            if not item.name.startswith(TEMPORARY):
                yield _entry(f"{base}/{item.name}" if base else item.name, status)


def _open_child(parent: int, name: str) -> int | None:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return None  # not readable, or no longer a folder: it is listed, not entered
    try:
        os.stat(".", dir_fd=fd)
    except OSError:
        os.close(fd)
        return None  # its names can be read, and no more of it
    return fd


def _entry(path: str, status: os.stat_result) -> Entry:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return {
        "path": path.encode("utf-8", "backslashreplace").decode(),
        "kind": kinds.get(stat.S_IFMT(status.st_mode), "other"),
        "size": status.st_size if stat.S_ISREG(status.st_mode) else 0,
        "modified": status.st_mtime,
        "change": f"{status.st_ino}.{status.st_ctime_ns}",
    }


def _remove_tree(parent: int, name: str) -> None:
    # A chain of folders can be deeper than Python recurses and than descriptors last: lift each up, then empty it.
    _unlock(parent, name)
    pending, lifted, mark = [name], 0, os.urandom(4).hex()
    # Code can make folders while they are deleted: no tree has more of them than there is room for.
    most = os.statvfs(parent).f_files
    while pending:
        if lifted > most:
            raise OSError(errno.ENOTEMPTY, "more and more folders are made in it", name)
        current = pending.pop()
        fd = os.open(current, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            for item in os.listdir(fd):
                if stat.S_ISDIR(os.stat(item, dir_fd=fd, follow_symlinks=False).st_mode):
                    _unlock(fd, item)
                    lifted += 1
                    pending.append(f".deleted-{mark}-{lifted}")
                    os.rename(item, pending[-1], src_dir_fd=fd, dst_dir_fd=parent)
                else:
                    os.unlink(item, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(current, dir_fd=parent)


def _unlock(parent: int, name: str) -> None:
    # Its owner, which is who deletes it, may have shut a folder against itself. No call changes a mode by O_PATH.
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{fd}", 0o700)
    finally:
        os.close(fd)
