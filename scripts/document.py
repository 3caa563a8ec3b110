"""Writes what the documentation takes from the code and the tests: settings, attacks, system calls and more."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from insitu import errors
from insitu.cli.app import app
from insitu.cli.configuration import SECRET, is_size, shown_default
from insitu.dialects.native.models import CreateSessionRequest, LimitsWish
from insitu.server.app import DIALECTS as DIALECTS  # so that every error is known
from insitu.settings import Settings
from insitu.web.errors import INVALID, STATUSES
from scripts.attacks import attacks, layers
from scripts.conformance import conformance
from scripts.container_profile import container_profile
from scripts.encodings import encodings
from scripts.syscalls import syscalls

Row = tuple[int | str, str, str]

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

# The first setting of each section; the order is that of the class.
_SECTIONS = {
    "host": "The server",
    "data_dir": "What lasts",
    "upstream": "The model and the turn",
    "python": "Environments and wall",
    "pool_size": "Room",
    "function_concurrency": "Functions",
    "tools": "Tools",
    "grace_s": "Defaults of a session",
    "max_timeout_s": "Ceilings of what a caller may ask for",
}
# Errors that the framework finds, or nobody has raised on purpose.
_WITHOUT_CLASS: dict[str, Row] = {
    "route_not_found": (404, "not_found_error", "there is no such route"),
    "method_not_allowed": (405, INVALID, "the route does not take this method"),
    "http_error": ("4xx", INVALID, "the request is refused before it reaches a route"),
}
_TIMES = ("idle_timeout_s", "ttl_s")
_ONLY_IN_PYTHON = {"answer_failed", "invocation_failed", "server_unreachable"}


def pages() -> dict[Path, str]:
    """Every file that is generated, or holds generated parts, as it should be."""
    written = {
        "settings": settings(),
        "commands": commands(),
        "encodings": encodings(),
        "errors": error_codes(),
        "limits": limits(),
        "attacks": attacks(),
        "conformance": conformance(),
        "layers": layers(),
        "syscalls": syscalls(),
    }
    found = {ROOT / "deploy/seccomp.json": container_profile()}
    for path in (ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))):
        text = path.read_text("utf-8")
        found[path] = re.sub(
            r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)",
            lambda match: f"{match[1]}{written[match[2]]}\n{match[3]}",
            text,
            flags=re.DOTALL,
        )
    return found


def settings() -> str:
    """A table of all settings, in sections."""
    return "\n".join(_settings())


def _settings() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in _SECTIONS:
            yield f"\n### {_SECTIONS[name]}\n\n| environment | option of `serve` | default | what |\n|---|---|---|---|"
        option = "none: arguments can be read by everyone on the machine"
        if name not in SECRET:
            option = f"`--{name.replace('_', '-')}`"
        yield f"| `INSITU_{name.upper()}` | {option} | {_default(name)} | {field.description} |"


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if name == "python":
        return "the server's own"
    shown = shown_default(name, field.default)
    if name == "data_dir":
        return ", else ".join(f"`{path}`" for path in shown.split(", else "))
    if field.default_factory:
        return "by the machine"
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    return (shown if is_size(name) else f"`{shown}`") if shown else "none"


def commands() -> str:
    """The help of every command."""
    names: list[tuple[str, ...]] = [(info.name,) for info in app.registered_commands if info.name]
    for group in app.registered_groups:
        inner = group.typer_instance.registered_commands if group.typer_instance and group.name else ()
        names += [(str(group.name),), *((str(group.name), info.name) for info in inner if info.name)]
    texts = [f"```text\n{_help()}\n```"]
    texts += [f"## {' '.join(name)}\n\n```text\n{_help(*name)}\n```" for name in names]
    return "\n\n".join(texts)


def _help(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "insitu", *command, "--help"], capture_output=True, check=True, env=environment
    )
    text = "\n".join(line.rstrip() for line in done.stdout.decode().splitlines())
    if command == ("serve",):
        # One page describes them all; and defaults such as the path of Python are those of this machine.
        text = re.sub(r"Options:\n.*?\n\n", "Options: the settings, see settings.md\n\n", text, flags=re.DOTALL)
    return text


def limits() -> str:
    """A table of what a caller can ask for."""
    fields = {**LimitsWish.model_fields, **{name: CreateSessionRequest.model_fields[name] for name in _TIMES}}
    rows = [
        f"| `{name}` | {_default(name)} | {_default(f'max_{name}')} | {field.description} |"
        for name, field in fields.items()
    ]
    return "\n".join(["| limit | default | ceiling | what |\n|---|---|---|---|", *rows])


def error_codes() -> str:
    """A table of the stable codes of the error body."""
    rows = {code: f"| `{code}` | {status} | `{kind}` | {when} |" for code, (status, kind, when) in _codes().items()}
    head = "| `code` | status | `type` | when |\n|---|---|---|---|"
    return "\n".join([head, *(rows[code] for code in sorted(rows))])


def _codes() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for cls in _below(errors.InsituError):
        if cls.code not in _WITHOUT_CLASS and cls.code not in found:
            status, kind = next(STATUSES[base] for base in cls.__mro__ if base in STATUSES)
            when = (inspect.getdoc(cls) or "").splitlines()[0].removeprefix("Raised when ").rstrip(".")
            found[cls.code] = (status, kind, when)
    return {code: what for code, what in (found | _WITHOUT_CLASS).items() if code not in _ONLY_IN_PYTHON}


def _below(cls: type[errors.InsituError]) -> Iterator[type[errors.InsituError]]:
    # What says when it is raised comes before the family that it belongs to.
    for child in cls.__subclasses__():
        if (inspect.getdoc(child) or "").startswith("Raised"):
            yield child
        yield from _below(child)


if __name__ == "__main__":
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
