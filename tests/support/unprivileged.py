"""Runs a command as a user without any privilege: ``python unprivileged.py HOME COMMAND…``, started by root.

Python, its packages and the checkout may be in folders that only root may enter, such as ``/root``. In a mount
namespace of its own the command finds them under the same paths, and beside them nothing else of those folders.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from insitu.guest import linux

USER = 54321
CHECKOUT = Path(__file__).parents[2]


def main() -> None:
    """Rearrange the mounts, give up everything, execute the command."""
    home, *command = sys.argv[1:]
    os.chown(home, USER, USER)
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    uncover({CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)})
    os.chdir(CHECKOUT)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    environment = {
        "HOME": home,
        "TMPDIR": home,
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/hypothesis",
    }
    os.execve(command[0], command, environment)


def uncover(paths: Iterable[Path]) -> None:
    """Let everybody reach what is at ``paths``, whoever may enter the folders above."""
    trees: dict[Path, list[tuple[Path, int]]] = {}
    for path in sorted(paths):
        shut = next((folder for folder in (*reversed(path.parents), path) if not _is_open(folder)), None)
        if shut is not None and not any(path.is_relative_to(done) for done, _ in trees.get(shut, ())):
            trees.setdefault(shut, []).extend((piece, linux.clone_tree(str(piece), 0)) for piece in _pieces(path, shut))
    for shut, copies in trees.items():
        linux.mount("uncovered", str(shut), "tmpfs", 0, "mode=755")
        for path, tree in copies:
            if stat.S_ISDIR(os.fstat(tree).st_mode):
                path.mkdir(parents=True)
            else:
                path.touch()
            linux.attach_tree(tree, str(path))


def _is_open(folder: Path) -> bool:
    return folder.stat().st_mode & 0o5 == 0o5


def _pieces(path: Path, shut: Path) -> Iterator[Path]:
    # Of a folder that is shut itself, everything in it is shown in an open one.
    return path.iterdir() if path == shut else iter((path,))


if __name__ == "__main__":
    main()
