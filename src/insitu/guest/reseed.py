"""What a fork would make the same in two sandboxes, made different."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any, Callable


def reseed() -> None:
    """Give this process its own random state; to be called in the child, after the fork.

    ``random`` is not among them: Python itself reseeds it in every child.
    """
    vars(tempfile).update(_name_sequence=None, tempdir=None)
    for name, refresh in _LIBRARIES.items():
        module = sys.modules.get(name)
        if module is not None:
            refresh(module)


def _numpy(module: Any) -> None:
    module.seed([int.from_bytes(os.urandom(4), "little") for _ in range(8)])


def _torch(module: Any) -> None:
    module.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)


def _sympy(module: Any) -> None:
    module.rng.seed(os.urandom(32))


def _openssl(module: Any) -> None:
    # OpenSSL tells a fork by the process id, which two sandboxes with their own id space share.
    module.RAND_add(os.urandom(32), 32.0)


def _multiprocessing(module: Any) -> None:
    module.current_process().authkey = os.urandom(32)


def _uuid(module: Any) -> None:
    module._node = module._last_timestamp = None


_LIBRARIES: dict[str, Callable[[Any], None]] = {
    "numpy.random": _numpy,
    "torch": _torch,
    "sympy.core.random": _sympy,
    "ssl": _openssl,
    "multiprocessing.process": _multiprocessing,
    "uuid": _uuid,
}
