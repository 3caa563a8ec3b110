"""What sandboxes of this process are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from insitu.crossing import arguments
from insitu.errors import InvalidRequest
from insitu.options import CallOptions, RunOptions, SizeOptions, SmallContent, check_code, given, small_bytes
from insitu.sources import Function, source_of

if TYPE_CHECKING:
    from insitu.engine import Engine, FileUpload
    from insitu.settings import Settings
    from insitu.tools import Registry


class EngineOptions(TypedDict, total=False):
    """What the engine of a sandbox may be given.

    Args:
        python: the Python whose packages sandboxed code has; by default this one.
        preimport: modules that are imported ahead, so that importing them takes sandboxed code no time.
        settings: all the rest, and the ceilings; by default what ``INSITU_*`` in the environment says.
    """

    python: str | PathLike[str] | None
    preimport: Sequence[str] | None
    settings: Settings | None


class LocalOptions(EngineOptions, SizeOptions, total=False):
    """What a sandbox of this process may be given.

    Args:
        timeout_s: wall time of each execution, in seconds.
        env_vars: environment variables of all its executions.
        tools: functions of this process that the code may call; or a registry of them that is open.
    """

    timeout_s: float | None
    env_vars: Mapping[str, str] | None
    tools: Sequence[Callable[..., Any]] | Registry | None


def split_options(options: LocalOptions) -> tuple[EngineOptions, dict[str, Any]]:
    """The options of the engine, and those of the sandbox in it.

    Raises:
        InvalidRequest: if there is an option that nobody knows.
    """
    if unknown := options.keys() - LocalOptions.__optional_keys__:
        raise InvalidRequest(
            f"a sandbox has no option {', '.join(sorted(unknown))}",
            hint=f"there are: {', '.join(sorted(LocalOptions.__optional_keys__))}",
        )
    names = EngineOptions.__optional_keys__
    of_engine = {name: value for name, value in options.items() if name in names}
    of_session = {name: value for name, value in options.items() if name not in names}
    return cast(EngineOptions, of_engine), of_session


def make_settings(options: EngineOptions) -> Settings:
    """The settings of an engine for sandboxes of this process."""
    from insitu.settings import Settings

    settings = options.get("settings") or Settings()
    changes: dict[str, Any] = {}
    if python := options.get("python"):
        changes["python"] = Path(python)
    if (preimport := options.get("preimport")) is not None:
        changes["preimport"] = tuple(preimport)
    if "pool_size" not in settings.model_fields_set:
        # A server keeps sandboxes ready for many callers; here they are made one at a time.
        changes["pool_size"] = 1
    return settings.model_copy(update=changes)


def make_engine(settings: Settings) -> Engine:
    """An engine that is yet to be started.

    Raises:
        IsolationUnavailable: on anything but Linux.
    """
    from insitu.isolation.platforms import require_linux

    require_linux("a sandbox in this process")
    from insitu.engine import Engine

    return Engine(settings)


def session_arguments(
    settings: Settings, env_vars: Mapping[str, str] | None = None, **limits: float | None
) -> dict[str, Any]:
    """The arguments of ``Engine.create_session``."""
    return {
        "limits": settings.limits(**limits),
        "env_vars": env_vars or {},
        # It ends with its block, and not because someone went for lunch.
        "ttl_s": settings.max_ttl_s,
        "idle_timeout_s": settings.max_idle_timeout_s,
    }


def run_arguments(code: str, options: RunOptions) -> dict[str, Any]:
    """The arguments of ``Engine.start`` for code; raises InvalidRequest."""
    check_code(code)
    arguments = {"what": code, **given(options)}
    if files := arguments.get("files"):
        arguments["files"] = _uploads(files)
    return arguments


def call_arguments(
    function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], options: CallOptions
) -> dict[str, Any]:
    """The arguments of ``Engine.start`` for the call of a function; raises InvalidRequest."""
    from insitu.engine import Call

    call = Call(source_of(function), None, json.dumps(arguments(args, kwargs)).encode())
    return {"what": call, **given(options)}


def _uploads(files: Mapping[str, SmallContent]) -> tuple[FileUpload, ...]:
    from insitu.engine import FileUpload

    return tuple(FileUpload(path, small_bytes(content)) for path, content in files.items())
