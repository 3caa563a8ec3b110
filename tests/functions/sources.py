"""Functions to deploy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from textwrap import dedent
from typing import Any

from insitu.engine import Session
from insitu.functions import Functions, FunctionSpec

OWNER = "ann"
ADD = "def main(x, y=1): return x + y"
COUNT = """
    count = 0
    def main():
        global count
        count += 1
        return count
"""
# Says that it is there, and waits until the file is gone.
WAIT = """
    import os, time
    def main(name="go"):
        open(name, "w").close()
        print("up", flush=True)
        while os.path.exists(name):
            time.sleep(0.005)
        return "done"
"""


def spec(code: str, **options: Any) -> FunctionSpec:
    """One module with the function ``main``."""
    return FunctionSpec({"function.py": dedent(code).encode()}, "function.main", **options)


Deploy = Callable[..., Any]


async def until_up(functions: Functions, id: str) -> None:
    """Wait until an invocation of ``WAIT`` in the background says that it is there."""
    async with aclosing(functions.events(OWNER, id)) as events:
        async for kind, data in events:
            if kind == "stdout":
                assert data["text"] == "up\n"
                return


async def is_there(session: Session, name: str = "go") -> bool:
    """Whether a sandbox has a file."""
    return any(info.path == name for info in await session.files.list())


async def deploy(functions: Functions, code: str, name: str = "f", **options: Any) -> str:
    """Deploy a module under a name."""
    return (await functions.deploy(OWNER, name, spec(code, **options))).name
