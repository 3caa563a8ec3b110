"""The table of commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from insitu import __version__

from . import ask, bench, doctor, files, fn, mcp, repl, run, serve, sessions, tools
from .errors import PipeClosed, WrongUsage, did_you_mean
from .options import AsJson, examples
from .text import as_json


class Commands(TyperGroup):
    """The commands; `serve` is put together when it is called, because its options are the settings."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the arguments begin with."""
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise WrongUsage(f"there is no command {args[0]!r}", hint=_hint(args[0], self.commands))
        name, command, rest = super().resolve_command(ctx, args)
        if name == "serve" and isinstance(command, TyperCommand):
            command = serve.with_options(command)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise PipeClosed from None


def _hint(word: str, known: Iterable[str]) -> str:
    if word.endswith(".py") or not word.replace("-", "").isalnum():
        return f"to run code: insitu run {word!r}"
    return did_you_mean(word, known) or "`insitu --help` names them"


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "insitu run 'sum(range(10))'",
        "insitu run analysis.py --file sales.csv --out results",
        "insitu serve",
        "",
        "Exit codes: `run` has its code's; 2 means that you asked for what cannot be, 125 that insitu failed.",
    ),
)


@app.callback(invoke_without_command=True)
def insitu(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    """Runs the Python that an AI model writes, in sandboxes that start in milliseconds."""
    if version:
        print_version()
    elif context.invoked_subcommand is None:
        print(context.get_help())


def print_version(json: AsJson = False) -> None:
    """Print the version."""
    python = ".".join(map(str, sys.version_info[:3]))
    about = {"insitu": __version__, "python": python, "platform": sys.platform}
    print(as_json(about) if json else f"insitu {__version__}")


for name, function, shown in (
    ("serve", serve.serve, serve.EXAMPLES),
    ("run", run.run, run.EXAMPLES),
    ("repl", repl.repl, repl.EXAMPLES),
    ("ask", ask.ask, ask.EXAMPLES),
    ("ps", sessions.ps, ("insitu ps", "insitu ps --json")),
    ("new", sessions.new, ("insitu new", "session=$(insitu new --mem 2g)")),
    ("files", files.files, ("insitu files 3f2a", "insitu files sess_3f2a data --depth 3")),
    ("cp", files.cp, files.EXAMPLES),
    ("interrupt", sessions.interrupt, ("insitu interrupt 3f2a",)),
    ("rm", sessions.rm, ("insitu rm 3f2a", "insitu rm 3f2a 77b0")),
    ("mcp", mcp.mcp, mcp.EXAMPLES),
    ("tools", tools.tools, ("insitu tools", "insitu tools --json")),
    ("doctor", doctor.doctor, doctor.EXAMPLES),
    ("bench", bench.bench, bench.EXAMPLES),
    ("version", print_version, ("insitu version",)),
):
    app.command(name, epilog=examples(*shown))(function)
app.add_typer(fn.fn, name="fn")
