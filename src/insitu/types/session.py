"""Sessions: what they may use, and how they and their environments are described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .mapping import known
from .sizes import GIB, MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use.

    Args:
        timeout_s: wall time of one execution, in seconds.
        memory_bytes: memory of all of the session's processes and files together.
        cpus: processor time per second of wall time; 1.0 is one core.
        processes: processes and threads at once.
        disk_bytes: workspace, /tmp and /dev/shm together; they live in memory and count as memory.
        output_bytes: stdout, and as much again of stderr, that is kept of one execution.
        results_bytes: all results of one execution.
    """

    timeout_s: float = 30.0
    memory_bytes: int = GIB
    cpus: float = 1.0
    processes: int = 64
    disk_bytes: int = 256 * MIB
    output_bytes: int = MIB
    results_bytes: int = 10 * MIB


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as its owner sees it; times are seconds since the epoch.

    Args:
        layers: what really stands between the code and the host, layer by layer.
    """

    id: str
    environment: str
    tier: str
    limits: Limits
    layers: Mapping[str, str]
    created: float
    last_used: float
    expires: float
    idle_timeout_s: float
    state: Literal["idle", "busy"] = "idle"
    executions: int = 0
    env_vars: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> SessionInfo:
        """The inverse of :meth:`to_dict`."""
        typed = {"limits": known(Limits, body["limits"]), "env_vars": tuple(body.get("env_vars", ()))}
        info: SessionInfo = known(cls, {**body, **typed})
        return info


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    """An environment, as its zygote describes it.

    Args:
        python: the path of its interpreter on the server.
        version: of its Python.
        preimported: the modules that are there without an import's cost.
    """

    name: str
    python: str
    version: str
    preimported: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> EnvironmentInfo:
        """The inverse of :meth:`to_dict`."""
        info: EnvironmentInfo = known(cls, {**body, "preimported": tuple(body.get("preimported", ()))})
        return info
