"""What this machine lets this user do."""

from __future__ import annotations

from insitu.isolation.process.cgroup import Tree
from insitu.types import GIB


def has_cgroups() -> bool:
    """Whether engines can limit memory by cgroups; rlimits take their place where they cannot."""
    tree = Tree.make(GIB)
    if tree is not None:
        tree.remove()
    return tree is not None
