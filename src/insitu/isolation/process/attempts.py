"""Trying out, in a child process, what the kernel allows."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .layers import Wall


def nothing() -> None:
    """Do nothing: being where it is called is what is tried."""


def in_namespaces(wall: Wall, flags: int, action: Callable[[], None]) -> str | None:
    """Do something in a new user namespace and those of ``flags``; returns what the kernel refused."""
    from ...guest import linux

    mapped_r, mapped_w = os.pipe()

    def act() -> None:
        os.close(mapped_w)
        if os.read(mapped_r, 1):
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            action()

    def let_go(pid: int) -> None:
        if not wall.root:
            Path(f"/proc/{pid}/setgroups").write_text("deny", "ascii")
        linux.write_id_maps(pid, wall.uids, wall.gids)
        os.write(mapped_w, b"1")

    try:
        return report_of(lambda: linux.clone(linux.CLONE_NEWUSER | flags), act, let_go)
    finally:
        os.close(mapped_r)
        with suppress(OSError):
            os.close(mapped_w)


def report_of(
    fork: Callable[[], int], action: Callable[[], None], let_go: Callable[[int], None] | None = None
) -> str | None:
    """Do something in a child process; returns how it failed.

    Args:
        let_go: is given the child's id, and does what its parent has to do for it.
    """
    told_r, told_w = os.pipe()
    refusal = ""
    try:
        pid = fork()
    except OSError as error:
        os.close(told_w)
        os.close(told_r)
        return str(error)
    if pid == 0:
        _tell(action, told_w)
    os.close(told_w)
    try:
        if let_go:
            let_go(pid)
    except OSError as error:
        refusal = str(error)
        os.kill(pid, 9)
    with os.fdopen(told_r, "rb") as told:
        said = told.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return refusal or said or (f"the attempt ended with status {status}" if status else None)


def _tell(action: Callable[[], None], told: int) -> None:
    try:
        action()
    except BaseException as error:
        os.write(told, f"{error}".encode())
    finally:
        os._exit(0)
