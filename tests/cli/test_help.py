"""What is said before anything is done."""

from __future__ import annotations

import subprocess
import sys

import pytest

import insitu as package
from insitu.cli.configuration import SECRET
from insitu.settings import Settings
from tests.cli.commands import Commands

COMMANDS = (
    "serve",
    "run",
    "repl",
    "ask",
    "ps",
    "new",
    "files",
    "cp",
    "interrupt",
    "rm",
    "mcp",
    "tools",
    "doctor",
    "bench",
    "version",
    "fn",
)


def test_help_names_every_command(insitu: Commands) -> None:
    shown = insitu("--help")
    assert (shown.exit_code, shown.err) == (0, "")
    after = shown.out.split("Commands:\n")[1].split("\n\n")[0]
    assert tuple(line.split()[0] for line in after.splitlines()) == COMMANDS
    assert "..." not in after  # what each does is short enough to be told


def test_without_arguments_help_is_shown(insitu: Commands) -> None:
    assert insitu() == insitu("--help") == insitu("-h")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples(insitu: Commands, command: str) -> None:
    shown = insitu(command, "--help")
    assert (shown.exit_code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: insitu {command}")
    assert f"\n  Examples:\n    {'' if command == 'serve' else 'insitu'}" in shown.out


def test_help_loads_nothing_that_takes_long() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "insitu", "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = {line.split("|")[2].strip().split(".")[0] for line in imported.splitlines()}
    assert found & {"anyio", "asyncio", "fastapi", "httpx2", "pydantic", "rich", "uvicorn"} == set()
    assert "insitu.engine" not in imported


def test_the_options_of_serve_are_the_settings(insitu: Commands) -> None:
    shown = insitu("serve", "--help").out
    options = {line.split()[0] for line in shown.splitlines() if line.startswith("  --")}
    assert options == {f"--{name.replace('_', '-')}" for name in Settings.model_fields if name not in SECRET}


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["-V"]])
def test_version(insitu: Commands, arguments: list[str]) -> None:
    shown = insitu(*arguments)
    assert (shown.exit_code, shown.out, shown.err) == (0, f"insitu {package.__version__}\n", "")
