"""Every setting once: name, default, meaning. Environment, command line and docs are made from this."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import InvalidRequest, OverCeiling, exact
from .output import SHOWN_CHARS
from .types import GIB, MIB, Limits, parse_size

# Below these, nothing works: the kernel refuses, or no interpreter fits.
_FLOORS = {
    "memory_bytes": 96 * MIB,
    "cpus": 0.01,
    "processes": 1,
    "disk_bytes": 64 * 1024,
    "output_bytes": 1,
    "results_bytes": 1,
}
DEFAULT_PREIMPORT = ("asyncio", "numpy", "pandas", "matplotlib.pyplot", "IPython")

DEFAULT_VISION = ("gpt-4o*", "gpt-4.1*", "gpt-5*", "o3*", "o4*", "claude-*", "gemini-*")


def _data_dir() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "insitu")


def _machine_memory() -> int:
    if not hasattr(os, "sysconf"):
        return 4 * GIB
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


Size = Annotated[int, BeforeValidator(lambda given: parse_size(given) if isinstance(given, str) else given)]


class Settings(BaseSettings):
    """All of insitu's settings, read from arguments and from ``INSITU_*`` in the environment."""

    # Some of what is given are keys.
    model_config = SettingsConfigDict(env_prefix="INSITU_", extra="forbid", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="address that the server binds; any but loopback needs keys")
    port: int = Field(8700, ge=0, le=65535, description="port that the server binds; 0 picks a free one")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="keys, comma-separated; each owns its objects"
    )
    api_keys_file: Path | None = Field(None, description="a file with one key a line")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further Host names to answer without keys"
    )
    upload_bytes: Size = Field(512 * MIB, gt=0, description="largest upload, in bytes")
    code_bytes: Size = Field(4 * MIB, gt=0, description="largest source of one execution, in bytes")
    keepalive_s: float = Field(15, gt=0, description="seconds between keep-alives on a silent stream")
    shutdown_s: float = Field(20, ge=0, description="seconds that SIGTERM lets running executions go on")

    data_dir: Path = Field(
        default_factory=_data_dir, description="folder of what must last: responses, conversations, files"
    )
    data_bytes_per_owner: Size = Field(10 * GIB, gt=0, description="all that is stored for one key, in bytes")
    retention_s: float = Field(
        30 * 24 * 3600, gt=0, description="seconds after which stored responses and files are deleted"
    )

    upstream: str = Field(
        "", description="base URL of the model server (OpenAI-compatible), such as http://127.0.0.1:11434/v1"
    )
    upstream_api_key: SecretStr = Field(SecretStr(""), description="key for the model server")
    upstream_forward_key: bool = Field(False, description="send the caller's own key to the model server instead")
    upstream_timeout_s: float = Field(300, gt=0, description="seconds that the model server may be silent")
    code_by_default: bool = Field(False, description="offer Python to the model in every chat completion")
    turn_tools: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="tools that code may call in every turn, unless its request says which; * for all"
    )
    fenced_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="patterns of models that call no tools: their ```python blocks are run instead"
    )
    vision_models: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_VISION, description="patterns of models that are shown the figures which code makes"
    )
    max_turns: int = Field(256, gt=0, description="turns running at once")
    max_turns_per_owner: int = Field(64, gt=0, description="turns running at once of one key")
    max_steps: int = Field(50, gt=0, description="model calls of one turn")
    max_turn_tokens: int = Field(2_000_000, gt=0, description="tokens of all model calls of one turn together")
    max_transcript_bytes: Size = Field(
        64 * MIB, gt=0, description="conversation of one turn with its images and files, in bytes"
    )
    turn_timeout_s: float = Field(900, gt=0, description="wall time of one turn, in seconds")
    tool_output_chars: int = Field(
        SHOWN_CHARS, ge=200, description="characters of an execution that the model is shown"
    )

    python: Path = Field(Path(sys.executable), description="the Python of the default environment")
    environments: Annotated[dict[str, Path], NoDecode] = Field(
        {}, description="further environments: name=python, comma-separated"
    )
    preimport: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_PREIMPORT,
        description="modules that a zygote imports ahead; those that are missing are passed over",
    )
    allow_degraded: bool = Field(False, description="start although a layer of the wall is missing")

    pool_size: int = Field(8, ge=0, description="sandboxes kept ready")
    max_sessions: int = Field(1000, gt=0, description="sessions alive at once")
    max_sessions_per_owner: int = Field(500, gt=0, description="sessions alive at once of one key")
    max_executions: int = Field(64, gt=0, description="executions running at once")
    max_executions_per_owner: int = Field(160, gt=0, description="executions running or waiting at once of one key")
    queue_size: int = Field(256, ge=0, description="executions waiting for room")
    max_paused: int = Field(256, ge=0, description="executions waiting at once for their clients' answers")
    max_paused_per_owner: int = Field(64, ge=0, description="executions of one key waiting for its clients' answers")
    max_paused_bytes: Size = Field(GIB, gt=0, description="output and calls kept of all those that wait, in bytes")
    max_paused_bytes_per_owner: Size = Field(
        256 * MIB, gt=0, description="output and calls kept of those of one key that wait, in bytes"
    )
    total_memory_bytes: Size = Field(
        default_factory=lambda: _machine_memory() * 8 // 10,
        gt=0,
        description="memory of all sandboxes together; by default 80 % of the machine",
    )

    function_concurrency: int = Field(16, gt=0, description="invocations of a function running at once, by default")
    function_idle_s: float = Field(300, gt=0, description="seconds after which an unused sandbox of a function ends")
    function_log: int = Field(100, gt=0, description="invocations that are remembered of each function")
    max_warm_sandboxes: int = Field(32, ge=0, description="unused sandboxes that all functions together keep")
    max_queued_invocations: int = Field(
        1000, gt=0, description="invocations that wait or run in the background, of one key"
    )

    tools: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Python modules whose tools code may be granted, comma-separated"
    )
    mcp_config: Path | None = Field(None, description="a JSON file of MCP servers whose tools code may be granted")
    tool_wait_s: float = Field(
        900, gt=0, description="seconds that an execution waits for its client to answer a call of a tool"
    )
    grace_s: float = Field(1.0, ge=0, description="seconds between the interrupt after a time-out and the kill")
    timeout_s: float = Field(30, gt=0, description="wall time of an execution, in seconds")
    memory_bytes: Size = Field(GIB, gt=0, description="memory of a session, in bytes")
    cpus: float = Field(1.0, gt=0, description="processors of a session")
    processes: int = Field(64, gt=0, description="processes and threads of a session")
    disk_bytes: Size = Field(
        256 * MIB, gt=0, description="workspace, /tmp and /dev/shm of a session together, in bytes"
    )
    output_bytes: Size = Field(MIB, gt=0, description="stdout, and stderr, kept of an execution, in bytes")
    results_bytes: Size = Field(10 * MIB, gt=0, description="results kept of an execution, in bytes")
    idle_timeout_s: float = Field(
        20 * 60, gt=0, description="seconds after which an unused session ends; containers have 20 minutes of their own"
    )
    ttl_s: float = Field(24 * 3600, gt=0, description="seconds after which a session ends in any case")

    max_timeout_s: float = Field(600, gt=0, description="ceiling of timeout_s")
    max_memory_bytes: Size = Field(8 * GIB, gt=0, description="ceiling of memory_bytes")
    max_cpus: float = Field(
        default_factory=lambda: float(os.cpu_count() or 1),
        gt=0,
        description="ceiling of cpus; by default what there is",
    )
    max_processes: int = Field(1024, gt=0, description="ceiling of processes")
    max_disk_bytes: Size = Field(4 * GIB, gt=0, description="ceiling of disk_bytes")
    max_output_bytes: Size = Field(16 * MIB, gt=0, description="ceiling of output_bytes")
    max_results_bytes: Size = Field(64 * MIB, gt=0, description="ceiling of results_bytes")
    max_idle_timeout_s: float = Field(24 * 3600, gt=0, description="ceiling of idle_timeout_s")
    max_ttl_s: float = Field(7 * 24 * 3600, gt=0, description="ceiling of ttl_s")

    @field_validator(
        "api_keys", "allowed_hosts", "fenced_models", "preimport", "tools", "turn_tools", "vision_models", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("upstream")
    @classmethod
    def _base_url(cls, value: str) -> str:
        if value and not _is_base_url(value):
            raise ValueError(
                f"upstream is {value[:200]!r}, which is no base URL: it must begin with http:// or https://, name a"
                " host, and have no query and no password; such as http://127.0.0.1:11434/v1"
            )
        return value

    @field_validator("upstream_api_key")
    @classmethod
    def _sendable(cls, value: SecretStr) -> SecretStr:
        # A file that it comes from ends with a line break, and no header can.
        key = value.get_secret_value().strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError("upstream_api_key has characters that no header can have")
        return SecretStr(key)

    @field_validator("environments", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        return _named_paths(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _defaults_under_ceilings(self) -> Self:
        for name in ("idle_timeout_s", "ttl_s", *Limits.__dataclass_fields__):
            default, ceiling = getattr(self, name), getattr(self, f"max_{name}")
            if default > ceiling:
                # Who lowers a ceiling alone means the default, too; who sets both gets what was said, or an error.
                if name in self.model_fields_set:
                    raise ValueError(f"{name} is {default:.15g}, over max_{name}, which is {ceiling:.15g}")
                object.__setattr__(self, name, ceiling)
        return self

    def keys(self) -> tuple[str, ...]:
        """All API keys, from the setting and from the file."""
        from_file = self.api_keys_file.read_text("utf-8").split() if self.api_keys_file else []
        return (*(key.get_secret_value() for key in self.api_keys), *from_file)

    def limits(self, **wishes: float | None) -> Limits:
        """The defaults with a caller's wishes over them.

        Raises:
            OverCeiling: if a wish is over the operator's ceiling.
            InvalidRequest: if a wish is not positive, or the disk leaves no memory to run in.
        """
        values: dict[str, Any] = {name: getattr(self, name) for name in Limits.__dataclass_fields__}
        for name, wish in wishes.items():
            if wish is not None:
                values[name] = self.within_ceiling(name, wish)
        if wishes.get("disk_bytes") is None:
            values["disk_bytes"] = min(self.disk_bytes, values["memory_bytes"] // 2)
        limits = Limits(**values)
        _leave_room(limits)
        return limits

    def within_ceiling(self, name: str, wish: float) -> float:
        """The wish, if it is positive and not over the setting ``max_<name>``."""
        ceiling, floor = getattr(self, f"max_{name}"), _FLOORS.get(name, 0)
        if not wish > 0 or wish < floor:
            raise InvalidRequest(
                f"{name} is {exact(wish)}; it must be {f'at least {exact(floor)}' if floor else 'more than 0'}"
            )
        if wish > ceiling:
            raise OverCeiling(name, wish, ceiling)
        return wish


def _is_base_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not set(" ?#@\\") & set(text)
    return plain and url.scheme in ("http", "https") and bool(url.hostname) and port != 0


def _named_paths(text: str) -> dict[str, str]:
    paths: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, path = (piece.strip() for piece in part.partition("="))
        if not (name and equals and path) or name == "default" or name in paths:
            raise ValueError(f"{part!r} is no name=python, or the name is taken; such as: ml=/srv/ml/bin/python")
        paths[name] = path
    return paths


def _leave_room(limits: Limits) -> None:
    # The workspace lives in memory and stays charged when an interpreter dies: the next one must still fit.
    head_room = 48 * MIB
    if limits.disk_bytes + head_room > limits.memory_bytes:
        raise InvalidRequest(
            f"disk_bytes ({limits.disk_bytes}) plus {head_room} bytes of head-room "
            f"is over memory_bytes ({limits.memory_bytes})",
            hint="files live in the session's memory: ask for more memory_bytes or fewer disk_bytes",
        )
