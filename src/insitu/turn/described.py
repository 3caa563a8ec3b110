"""What a model is told of the functions that its code may call."""

from __future__ import annotations

from typing import NoReturn

from ..guest.tools import Host, Tools
from ..tools import Grant

# Of one tool, and of all together; those that have no room there are named, and `help` tells of them.
_MOST_LINE, _MOST_CHARS, _MOST_NAMES = 240, 6000, 100


def describe(grant: Grant) -> str:
    """What the model is told of what its code may call; nothing if there is nothing."""
    if not grant:
        return ""
    lines: list[str] = []
    unnamed: list[str] = []
    room = _MOST_CHARS
    specs = grant.specs
    seen = Tools(_NOBODY, [spec.declaration() for spec in specs])
    about = {spec.name: spec.description for spec in specs}
    for name in (each for each in dir(seen) if each != "Error"):
        tool = getattr(seen, name)
        line = _line(f"- tools.{name}{tool.__signature__}", about[tool.__name__])
        room -= len(line)
        (lines if room >= 0 else unnamed).append(line if room >= 0 else name)
    if unnamed:
        left_out = f", and {len(unnamed) - _MOST_NAMES} others" if len(unnamed) > _MOST_NAMES else ""
        lines.append(f"- and, as help(tools.name) says: {', '.join(unnamed[:_MOST_NAMES])}{left_out}")
    return (
        " The object `tools` is there without an import, and has functions outside of the sandbox. They return "
        "Python values, which nobody sees unless they are printed. Call several side by side with "
        "`await asyncio.gather(tools.a.aio(…), tools.b.aio(…))`. There are:\n" + "\n".join(lines)
    )


def _line(call: str, description: str) -> str:
    about = " ".join(description.strip().partition("\n\n")[0].split())
    line = f"{call}: {about}" if about else call
    return line if len(line) <= _MOST_LINE else f"{line[: _MOST_LINE - 1]}…"


def _nowhere(*_: object) -> NoReturn:
    raise AssertionError("tools that are described are not called")


# As code sees them, but for the way to the host.
_NOBODY = Host(_nowhere, _nowhere, _nowhere)
