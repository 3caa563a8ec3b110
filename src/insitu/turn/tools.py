"""The tools that the server itself runs for a model, and how they are described to it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..guest.lockdown import WORKSPACE
from ..tools import NOTHING, Grant
from ..types import MIB, EnvironmentInfo, Limits
from .container import Container
from .described import describe
from .editing import COMMANDS

Kind = Literal["python", "shell", "editor"]

# Commands of one call, which run side by side.
MOST_PARTS = 16
_COMMANDS = "commands"


def new_call_id() -> str:
    """The id of a call, which nobody can guess."""
    return f"call_{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool that runs here.

    Args:
        name: as the model knows it.
        definition: its description for the model, in the shape of chat completions.
        container: where it runs.
        code_field: the argument that holds its code, a string or the list of a shell's commands; "" if it has none.
        granted: what its code may call.
    """

    kind: Kind
    name: str
    definition: Mapping[str, Any]
    container: Container
    code_field: str
    granted: Grant = NOTHING

    def parts(self, arguments: Mapping[str, Any]) -> list[str]:
        """The pieces of code of a call: one, or the commands of a shell; of an editor none.

        Raises:
            ValueError: if there are none where there must be some; the message is for the model.
        """
        if not self.code_field:
            return []
        found = arguments.get(self.code_field)
        if self.code_field != _COMMANDS:
            if not isinstance(found, str):
                field, what = self.code_field, "Python" if self.kind == "python" else "command"
                raise ValueError(f'the argument "{field}" is missing; send {{"{field}": "…"}} with the {what} to run')
            return [found]
        if not isinstance(found, list) or not found or not all(isinstance(part, str) for part in found):
            raise ValueError('the argument "commands" must be a list of at least one string')
        if len(found) > MOST_PARTS:
            raise ValueError(f"{len(found)} commands at once; {MOST_PARTS} is the most: send several calls")
        return found


def python_tool(
    container: Container, environment: EnvironmentInfo, taken: Iterable[str], granted: Grant = NOTHING
) -> ServerTool:
    """The tool that runs Python; it takes another name where the client has one of the same."""
    name = _free_name("python", taken)
    about = _describe_python(environment, container.limits) + describe(granted)
    return ServerTool("python", name, _definition(name, about, _PYTHON), container, "code", granted)


def shell_tool(container: Container, taken: Iterable[str]) -> ServerTool:
    """The tool that runs shell commands, several at once."""
    name = _free_name("shell", taken)
    return ServerTool("shell", name, _definition(name, _describe_shell(container.limits), _SHELL), container, _COMMANDS)


def bash_tool(container: Container, taken: Iterable[str]) -> ServerTool:
    """The tool that runs one shell command."""
    name = _free_name("bash", taken)
    return ServerTool("shell", name, _definition(name, _describe_shell(container.limits), _BASH), container, "command")


def editor_tool(container: Container, taken: Iterable[str]) -> ServerTool:
    """The tool that shows and changes files."""
    name = _free_name("edit", taken)
    return ServerTool("editor", name, _definition(name, _ABOUT_EDITOR, _EDITOR), container, "")


def describe_fenced(environment: EnvironmentInfo, tool: ServerTool) -> str:
    """What a model that calls no tools is told instead."""
    return (
        "You can run Python. Write a block that begins with ```python and ends with ```: it is run as soon as it is "
        "closed, and its output is given back to you. "
        f"{_describe_python(environment, tool.container.limits)}{describe(tool.granted)}"
    )


_PYTHON: Mapping[str, Any] = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "Python source, run as a notebook's cell"}},
    "required": ["code"],
    "additionalProperties": False,
}
_SHELL: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "commands": {
            "type": "array",
            "items": {"type": "string"},
            "description": "commands for bash, run side by side; join with && what must follow each other",
        },
        "timeout_ms": {"type": "integer", "description": "wall time of each command, in milliseconds"},
        "max_output_length": {"type": "integer", "description": "characters of each command's output to give back"},
    },
    "required": ["commands"],
    "additionalProperties": False,
}

_BASH: Mapping[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "a command for bash, or several lines of them"}},
    "required": ["command"],
    "additionalProperties": False,
}
_EDITOR: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "enum": list(COMMANDS)},
        "path": {"type": "string", "description": f"of a file or a folder, in {WORKSPACE}"},
        "view_range": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "view: the first and the last line to show, counted from 1; -1 is the end",
        },
        "file_text": {"type": "string", "description": "create: all that is to be in the file"},
        "old_str": {"type": "string", "description": "str_replace: what is there once, to the letter"},
        "new_str": {"type": "string", "description": "str_replace: what is to be there instead"},
    },
    "required": ["command", "path"],
    "additionalProperties": False,
}
_ABOUT_EDITOR = (
    f"Shows and changes text files of the sandbox; they are in {WORKSPACE}. The command view shows a file with its "
    "lines numbered, or what is in a folder; create writes a file, over what was there; str_replace replaces a text "
    "that the file has once."
)


def _definition(name: str, about: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def _describe_python(environment: EnvironmentInfo, limits: Limits) -> str:
    ahead = f" with {', '.join(environment.preimported)} installed, among others" if environment.preimported else ""
    return (
        f"Runs Python {environment.version}{ahead}, in a sandbox like a notebook: variables, imports and files stay "
        "from call to call, the value of the last expression is shown, and so is what is printed. "
        f"Files are in {WORKSPACE}, the working directory; save there what the user is to get. "
        "Figures of matplotlib are shown to the user. "
        f"There is no network. Each call has {limits.timeout_s:g} s and {limits.memory_bytes // MIB} MiB of memory."
    )


def _describe_shell(limits: Limits) -> str:
    return (
        f"Runs commands with bash in a sandbox. Files are in {WORKSPACE}, the working directory; save there what the "
        f"user is to get. There is no network. Each command has {limits.timeout_s:g} s, "
        f"and all together {limits.memory_bytes // MIB} MiB of memory."
    )


def _free_name(name: str, taken: Iterable[str]) -> str:
    names = set(taken)
    while name in names:
        name = f"insitu_{name}"
    return name
