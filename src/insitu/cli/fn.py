"""`insitu fn`: the functions of a server."""

from __future__ import annotations

import json as json_module
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import WrongUsage, print_error
from .follow import Screen
from .options import AsJson, Environment, EnvVars, Memory, Time, Url, env_vars, examples, uploads
from .target import connect
from .text import as_json, duration, printable, size, table

if TYPE_CHECKING:
    from insitu.types import DeployedFunction, Invocation

fn = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("insitu fn deploy add.py", "insitu fn invoke add 1 2", "insitu fn logs add"),
)
Name = Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="A function, a version or an alias of it.")]


@fn.callback()
def functions(context: typer.Context) -> None:
    """Deploy functions on a server, and call them."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def deploy(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A Python module.")],
    name: Annotated[str | None, typer.Option("--name", help="By default that of the file.")] = None,
    handler: Annotated[
        str | None, typer.Option("--handler", metavar="MODULE.FUNCTION", help="By default FILE's function main.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH[:NAME]", help="A file beside the module; may be repeated."),
    ] = None,
    env: EnvVars = None,
    environment: Environment = None,
    time: Time = None,
    mem: Memory = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", help="Invocations that may run at once.")
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse/--no-reuse", help="Whether invocations may follow one another in one sandbox.")
    ] = True,
    schema: Annotated[
        Path | None, typer.Option("--schema", metavar="FILE", help="JSON schema of the named arguments.")
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Deploy a module as a function.

    What is there already is not deployed again. Prints the function's name and version.
    """
    if not source.is_file() or source.suffix != ".py":
        raise WrongUsage(f"{str(source)!r} is no file of Python", hint="name one, such as add.py")
    files = {source.name: source, **uploads(file)}
    with connect(url) as client:
        deployed = client.functions.deploy(
            name or source.stem,
            files,
            handler=handler or f"{source.stem}.main",
            env_vars=env_vars(env),
            environment=environment,
            timeout_s=time,
            memory_bytes=mem,
            concurrency=concurrency,
            reuse=reuse,
            schema=_read_json(schema) if schema else None,
        )
    print(as_json(deployed.to_dict()) if json else f"{deployed.name}:{deployed.version}")


def list_functions(url: Url = None, json: AsJson = False) -> None:
    """List a server's functions."""
    with connect(url) as client:
        functions = client.functions.list()
    if json:
        print(as_json([each.to_dict() for each in functions]))
    else:
        head = ("FUNCTION", "VERSION", "AGE", "HANDLER", "CODE", "ALIASES")
        print(table(head, (_row(each, time.time()) for each in functions)))


def invoke(
    name: Name,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARG|NAME=ARG", help="Each is JSON, or else text."),
    ] = None,
    background: Annotated[bool, typer.Option("--async", help="Do not wait, and print the invocation's id.")] = False,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Call a function, and print what it returns.

    The exit code is 1 if it does not.
    """
    args, kwargs = _arguments(arguments or ())
    with connect(url) as client:
        if background:
            accepted = client.functions.submit(name, *args, **kwargs)
            print(as_json(_plain(accepted.info())) if json else accepted.id)
            return 0
        return _show(client.functions.invoke(name, *args, **kwargs), json)


def result(
    name: Name,
    id: Annotated[str, typer.Argument(metavar="ID", help="What `invoke --async` has printed.")],
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Wait for an --async call, and print what it returns.

    The exit code is 1 if it does not.
    """
    with connect(url) as client:
        return _show(client.functions.invocation(name, id).wait(), json)


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A function.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, metavar="N", help="How many.")] = 20,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Show a function's last invocations, the newest last."""
    with connect(url) as client:
        ended = client.functions.logs(name, limit)
    if json:
        print(as_json([_plain(each) for each in ended]))
        return
    for each in reversed(ended):
        _tell(each)


def rm(
    name: Annotated[list[str], typer.Argument(metavar="NAME[:VERSION]", help="Functions, or versions.")],
    url: Url = None,
) -> None:
    """Delete functions, or versions of them.

    What runs goes on to its end.
    """
    with connect(url) as client:
        for each in name:
            client.functions.delete(each)
            print(each)


def _row(function: DeployedFunction, now: float) -> tuple[str, ...]:
    aliases = " ".join(f"{alias}={version}" for alias, version in function.aliases.items())
    version = "-" if function.version is None else str(function.version)
    age = duration(now - function.deployed)
    return function.name, version, age, function.handler, size(function.code_size), aliases or "-"


def _arguments(words: Any) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = _value(value)
        else:
            args.append(_value(word))
    return args, kwargs


def _value(word: str) -> Any:
    try:
        return json_module.loads(word)
    except ValueError:
        return word


def _read_json(path: Path) -> Any:
    try:
        return json_module.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WrongUsage(f"--schema {path}: {error}") from None


def _show(invocation: Invocation, json: bool) -> int:
    if json:
        print(as_json(_plain(invocation)))
    else:
        _write(invocation)
    return 0 if invocation.ok else 1


def _write(invocation: Invocation) -> None:
    screen = Screen()
    screen.write(sys.stdout, invocation.stdout)
    screen.write(sys.stderr, invocation.stderr)
    if invocation.ok:
        value = invocation.result
        screen.write_line(sys.stdout, value if isinstance(value, str) else as_json(_shown(value)))
    elif (error := invocation.error) is not None:
        screen.write_line(sys.stderr, error.traceback)
        screen.end_colours()
        print_error(f"{error.name}: {error.value}")
    screen.end_colours()


def _tell(invocation: Invocation) -> None:
    begun = datetime.fromtimestamp(invocation.created).strftime("%Y-%m-%d %H:%M:%S")
    version = "-" if invocation.version is None else str(invocation.version)
    start = "cold" if invocation.cold else "warm"
    print(f"{begun}  {invocation.id}  {version}  {start}  {invocation.duration_ms:.1f} ms  {invocation.outcome}")
    for line in (*invocation.stdout.splitlines(), *invocation.stderr.splitlines()):
        print(f"    {printable(line)}")
    if invocation.error is not None:
        print(f"    {printable(f'{invocation.error.name}: {invocation.error.value}')}")


def _plain(invocation: Invocation) -> dict[str, Any]:
    return {**invocation.to_dict(), "result": _shown(invocation.result)}


def _shown(value: Any) -> Any:
    """A value as JSON shows it; what JSON has no form for is its text."""
    return json_module.loads(json_module.dumps(value, default=str))


for command, function, shown in (
    ("deploy", deploy, ("insitu fn deploy add.py", "insitu fn deploy app.py --name report --file data.csv --mem 2g")),
    ("list", list_functions, ("insitu fn list", "insitu fn list --json")),
    ("invoke", invoke, ("insitu fn invoke add 1 2", "insitu fn invoke add:3 x=1 y=2")),
    ("result", result, ("insitu fn result add inv_…", 'insitu fn result add "$(insitu fn invoke add 1 --async)"')),
    ("logs", logs, ("insitu fn logs add", "insitu fn logs add -n 5")),
    ("rm", rm, ("insitu fn rm add", "insitu fn rm add:3")),
):
    fn.command(command, epilog=examples(*shown))(function)
