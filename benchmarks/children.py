"""Parts that run in processes of their own, so that they share no interpreter with the client that is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Any]:
    """Run a module of this package until the block ends; gives what it says of itself when it is ready.

    A child ends when its standard input does, and so with this process, however that ends.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def tell(ready: object) -> None:
    """In a child: say what is ready, and return when it is no longer wanted."""
    print(json.dumps(ready), flush=True)
    sys.stdin.read()
