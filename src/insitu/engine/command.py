"""What a shell command is, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InvalidRequest, TooLarge
from ..guest.workspace import CHUNK

# Of one argument or variable, as the kernel bounds it; of all together, as the agent does.
_LONGEST_STRING, _MOST_BYTES = 128 * 1024 - 1, CHUNK


@dataclass(frozen=True, slots=True)
class Command:
    """What a command is, checked and ready to be sent.

    Args:
        strings: its arguments, or one line for a shell; then its variables.
        arguments: how many of these are arguments.
        folder: where it starts, relative to the workspace.
    """

    strings: tuple[bytes, ...]
    arguments: int
    shell: bool
    folder: str
    timeout_s: float


def make_command(
    command: str | Sequence[str], env_vars: Mapping[str, str], folder: str | None, timeout_s: float
) -> Command:
    """A command, if there can be such a one.

    Raises:
        InvalidRequest: if it is empty, or has what no argument can have.
        TooLarge: if it or its variables have too many bytes.
    """
    arguments = [command] if isinstance(command, str) else list(command)
    if not arguments or (not isinstance(command, str) and not arguments[0]):
        raise InvalidRequest("the command names no program")
    variables = [f"{name}={value}" for name, value in env_vars.items()]
    strings = tuple(_encoded(string) for string in (*arguments, *variables))
    _encoded(folder or "")
    if (longest := max(map(len, strings))) > _LONGEST_STRING:
        raise TooLarge(_too_large("one of them", longest, _LONGEST_STRING), hint="put long texts and data into files")
    if (size := sum(map(len, strings)) + len(strings)) > _MOST_BYTES:
        raise TooLarge(_too_large("all together", size, _MOST_BYTES), hint="put long texts and data into files")
    return Command(strings, len(arguments), isinstance(command, str), folder or ".", timeout_s)


def _encoded(string: str) -> bytes:
    if "\0" in string:
        raise InvalidRequest("the command or its folder has a NUL byte, which no argument can have")
    try:
        return string.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the command or a variable is not valid Unicode: {error.reason}") from None


def _too_large(what: str, size: int, most: int) -> str:
    return f"the command's arguments and variables are too long: {what} {size} bytes, and {most} is the most"
