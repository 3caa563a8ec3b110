"""Control groups of servers that were killed before anything of theirs could clean up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.isolation.process.cgroup import Tree
from insitu.types import GIB


@pytest.fixture
def tree() -> Iterator[Tree]:
    made = Tree.make(GIB)
    if made is None:
        pytest.skip("this process may not make control groups")
    yield made
    made.remove()


def test_the_next_server_removes_them_and_those_of_living_ones_stay(tree: Tree) -> None:
    script = "from insitu.isolation.process.cgroup import Tree; print(*Tree.make(1 << 30).tops, sep='\\n')"
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    left = killed.stdout.splitlines()
    assert left and all(map(os.path.isdir, left))
    other = Tree.make(GIB)
    assert other is not None
    other.remove()
    assert not any(map(os.path.exists, left))
    assert all(Path(top, "base").is_dir() for top in tree.tops)
