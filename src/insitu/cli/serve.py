"""`insitu serve`, whose options are the settings."""

from __future__ import annotations

import os
import socket
from functools import partial
from importlib.util import find_spec
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from insitu.isolation.platforms import require_linux

from .configuration import SECRET, flag_of, is_size, read_settings, shown_default
from .options import examples
from .text import note

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from insitu.settings import Settings
    from insitu.web.service import Service

    from .probe import Fault, Glance

EXAMPLES = (
    "insitu serve",
    "insitu serve --upstream http://127.0.0.1:11434/v1",
    "insitu serve --port 9000 --pool-size 32 --memory-bytes 2g",
    "insitu serve --python ~/analysis/.venv/bin/python",
    "export INSITU_API_KEYS=$(openssl rand -hex 16); echo $INSITU_API_KEYS",
    "insitu serve --host 0.0.0.0",
)


def serve() -> None:
    """Serve the HTTP API.

    Each option is a setting, and can also be set as INSITU_NAME in the environment: INSITU_PORT for --port. Keys are
    set by INSITU_API_KEYS, separated by commas, or by --api-keys-file. A size may be written like 512m or 2g.
    """


def with_options(command: TyperCommand) -> TyperCommand:
    """The command with all of its options."""
    from insitu.settings import Settings

    def start(**wishes: Any) -> None:
        _serve(read_settings(wishes))

    options = [_option(name, field) for name, field in Settings.model_fields.items() if name not in SECRET]
    start.__signature__ = Signature(options)  # type: ignore[attr-defined]
    start.__annotations__ = {option.name: option.annotation for option in options}
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=dict(command.context_settings))
    alone.command(command.name, help=command.help, epilog=examples(*EXAMPLES))(start)
    made = typer.main.get_command(alone)
    assert isinstance(made, TyperCommand)
    return made


def _option(name: str, field: FieldInfo) -> Parameter:
    is_flag = field.annotation is bool
    about = str(field.description)
    option = typer.Option(
        None,
        flag_of(name),
        help=f"{about[0].upper()}{about[1:]}.{_default(name, field)}",
        metavar=None if is_flag else _metavar(name, field),
        show_default=False,
    )
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=bool | None if is_flag else str | None)


def _metavar(name: str, field: FieldInfo) -> str:
    if is_size(name) or name.endswith("_s"):
        return "SIZE" if is_size(name) else "SECONDS"
    kind = str(field.annotation)
    return "NAME=PATH" if "dict" in kind else "PATH" if "Path" in kind else "TEXT" if "str" in kind else "N"


def _default(name: str, field: FieldInfo) -> str:
    shown = shown_default(name, field.default)
    return f"  [default: {shown}]" if shown else ""


def _serve(settings: Settings) -> None:
    require_linux("a server")
    # Importing ahead takes seconds.
    note("starting …")
    if "INSITU_API_KEY" in os.environ and not (settings.api_keys or settings.api_keys_file):
        note("warning: INSITU_API_KEY is a client's key; the server's keys are INSITU_API_KEYS, and it has none")
    from insitu.server.run import run

    from .probe import Glance, explaining_port

    with explaining_port(settings.host, settings.port):
        run(settings, partial(_announce, Glance(settings)))


def _announce(glance: Glance, url: str, service: Service) -> None:
    settings, engine = service.settings, service.engine
    keys = len(settings.keys())
    key = ' -H "Authorization: Bearer $INSITU_API_KEY"' if keys else ""
    reached = _reached(url)
    lines = [
        f"insitu listens on {url} (API: {reached}/docs)",
        *(f"  {name:<12} {value}" for name, value in engine.layers.items()),
        *(_environment(about) for about in engine.environments()),
        f"  data         {settings.data_dir}",
        *([f"  tools        {tools}: `insitu tools` lists them"] if (tools := len(service.tools.tools())) else []),
        f"  keys         {keys or 'none: for programs of this machine alone'}",
        *_model(reached, settings.upstream, glance.fault()),
        *([f"  mcp          {reached}/mcp"] if find_spec("mcp") else []),
        f'  try          curl {reached}/v1/execute{key} -d \'{{"code": "print(1+1)"}}\'',
    ]
    if others := service.store.servers.others:
        servers = "another server uses" if others == 1 else f"{others} other servers use"
        lines.insert(1, f"warning: {servers} the same data folder; containers are each server's own")
    note("\n".join(lines))


def _reached(url: str) -> str:
    """The address as clients need it, where all addresses of the machine are listened on."""
    for everywhere in ("0.0.0.0", "[::]"):
        url = url.replace(f"//{everywhere}:", f"//{socket.gethostname()}:")
    return url


def _model(url: str, upstream: str, fault: Fault | None) -> list[str]:
    if not upstream:
        return ["  model        none: name a model server by --upstream"]
    state = f" ({fault})" if fault else ""
    return [
        f"  model        {upstream}{state}",
        f"  base_url     {url}/v1 for OpenAI's clients",
        f"  base_url     {url} for Anthropic's and Google's clients",
    ]


def _environment(about: Any) -> str:
    ahead = f", with {', '.join(about.preimported)}" if about.preimported else ""
    return f"  environment  {about.name}: Python {about.version}{ahead}; {about.python}"
