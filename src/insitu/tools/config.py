"""The file of MCP servers, in the form that other programs have for it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from ..errors import InvalidRequest
from ..types import MIB
from .base import Bounds
from .rates import Rate

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class McpBounds(BaseModel):
    """What is insitu's own in the file, under ``insitu``.

    Args:
        tools: those of the server's tools that there are to be; by default all.
        required: whether insitu refuses to start without the server.
    """

    model_config = ConfigDict(extra="forbid")

    tools: tuple[str, ...] | None = None
    timeout_s: float = Field(60.0, gt=0)
    max_bytes: int = Field(MIB, gt=0, le=7 * MIB)
    rate: str | None = None
    at_once: int = Field(32, gt=0)
    required: bool = True

    @field_validator("rate")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        try:
            Rate.read(value or "1/s")
        except InvalidRequest as error:
            raise ValueError(str(error)) from None
        return value

    def bounds(self) -> Bounds:
        """What each call may take."""
        return Bounds(self.timeout_s, self.max_bytes, Rate.read(self.rate) if self.rate else None, self.at_once)


class McpServer(BaseModel):
    """How to reach one server: a command that is started, or a URL; what else the file says is for others."""

    type: str | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: Path | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    disabled: bool = False
    insitu: McpBounds = McpBounds()
    _variables: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("it needs either a command or a url")
        if self.type not in (None, "stdio", "http", "streamable-http", "streamable_http", "streamableHttp"):
            raise ValueError(f"type is {self.type!r}; there are stdio and streamable HTTP")
        return self

    def secrets(self) -> list[str]:
        """What no message may hold: the values of ``env`` and ``headers``, and of variables wherever they stand."""
        return [*self.env.values(), *self.headers.values(), *self._variables]

    def filled(self) -> Self:
        """The same with the values of its variables; raises KeyError for one that is not set."""
        written = [*self.env.values(), *self.headers.values(), *self.args]
        changes = {"env": _filled(self.env), "headers": _filled(self.headers), "args": tuple(map(_fill, self.args))}
        made = self.model_copy(update=changes)
        made._variables = tuple(os.environ[name] for text in written for name in _VARIABLE.findall(text))
        return made


class _File(BaseModel):
    servers: dict[str, McpServer] = Field(alias="mcpServers")


def read_config(path: Path) -> dict[str, McpServer]:
    """The servers that a file names, by their names; ``${NAME}`` in it is a variable of the environment.

    Raises:
        InvalidRequest: if it cannot be read, or says what cannot be.
    """
    try:
        read = _File.model_validate_json(path.read_bytes())
        servers = {name: server for name, server in read.servers.items() if not server.disabled}
        return {name: server.filled() for name, server in servers.items()}
    except OSError as error:
        raise InvalidRequest(f"mcp_config cannot be read: {error}") from None
    except ValidationError as error:
        # Without what stands there: keys do.
        faults = error.errors(include_url=False, include_input=False, include_context=False)[:3]
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise InvalidRequest(
            f"mcp_config {str(path)!r}: {told}",
            hint='the form is {"mcpServers": {"name": {"command": …, "args": […]}}}',
        ) from None
    except KeyError as error:
        raise InvalidRequest(f"mcp_config {str(path)!r} names ${{{error.args[0]}}}, which is not set") from None


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: _fill(value) for name, value in values.items()}


def _fill(value: str) -> str:
    return _VARIABLE.sub(lambda found: os.environ[found[1]], value)
