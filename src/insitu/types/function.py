"""Functions: stored code with a name, what is deployed of it, and its invocations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .execution import CodeError, EventKind, Outcome, Timings
from .mapping import known, shallow
from .session import Limits

InvocationState = Literal["queued", "running", "done"]
LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What is deployed under a function's name.

    Args:
        files: path to content; they are put into the workspace of each of its sandboxes.
        handler: ``module.name`` of what is called.
        limits: in effect, with the defaults of the server.
        timeout_s: wall time of an invocation, in seconds; without it, that of the limits.
        schema: JSON schema of the arguments as one object, which must then be given by name.
        concurrency: invocations that may run at once; 0 for the server's default.
        reuse: whether invocations may follow one another in one sandbox.
        metadata: what a dialect wants back.
    """

    files: Mapping[str, bytes] = field(repr=False)
    handler: str
    environment: str | None = None
    limits: Limits | None = None
    timeout_s: float | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict, repr=False)
    schema: Mapping[str, Any] | None = None
    description: str = ""
    concurrency: int = 0
    reuse: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FunctionRevision:
    """What one deployment has made; it never changes.

    Args:
        revision: its id.
        version: its number, once it is published.
        created: seconds since the epoch.
        code_size: bytes of all files together.
    """

    name: str
    revision: str
    version: int | None
    created: float
    code_sha256: str
    code_size: int
    spec: FunctionSpec


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A function: its newest revision, its versions, and the names that some of them have.

    Args:
        created: when it was first deployed, in seconds since the epoch.
    """

    name: str
    latest: FunctionRevision
    versions: tuple[int, ...]
    aliases: Mapping[str, int]
    created: float


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function.

    Args:
        version: the number of what was called; None if that was not published.
        outcome: None until it has ended.
        result: the value, in JSON's types; of an invocation that was awaited, only its caller gets it.
        stdout: what it wrote; of much, the end.
        created: seconds since the epoch; ``started`` likewise, once it has.
        duration_ms: from its start to its end.
        cold: whether a sandbox had to be made for it.
    """

    id: str
    function: str
    version: int | None
    state: InvocationState
    created: float
    outcome: Outcome | None = None
    result: Any = None
    error: CodeError | None = None
    stdout: str = ""
    stderr: str = ""
    started: float | None = None
    duration_ms: float = 0.0
    cold: bool = False
    peak_memory_bytes: int | None = None
    timings: Timings = field(default_factory=Timings)

    @property
    def ok(self) -> bool:
        """Whether it returned a value."""
        return self.outcome == "ok"

    def broken_off(self, outcome: Outcome, error: CodeError) -> Invocation:
        """The same, ended now by something else than its code."""
        duration_ms = round((time.time() - self.started) * 1000, 3) if self.started else 0.0
        return replace(self, state="done", outcome=outcome, error=error, duration_ms=duration_ms)

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        error = shallow(self.error) if self.error else None
        return {**shallow(self), "error": error, "timings": shallow(self.timings)}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Invocation:
        """The inverse of :meth:`to_dict`."""
        error = known(CodeError, body["error"]) if body.get("error") else None
        typed = {"error": error, "timings": known(Timings, body.get("timings") or {})}
        invocation: Invocation = known(cls, {**body, **typed})
        return invocation


@dataclass(frozen=True, slots=True)
class InvocationEvent:
    """Something that happens in an invocation.

    Args:
        seq: 0 for the first.
        data: as in an execution's events.
        invocation: the whole invocation, in the event ``finished``.
    """

    seq: int
    kind: EventKind
    data: Mapping[str, Any]
    invocation: Invocation | None = None

    @property
    def text(self) -> str:
        """The text of a stdout or stderr event; empty for the others."""
        return str(self.data.get("text", ""))


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A revision of a function as its owner sees it from outside: without its code, and without its secrets.

    Args:
        created: when the function was first deployed, in seconds since the epoch.
        deployed: when this revision was.
        env_vars: the names of its variables.
        versions: all that there are of the function.
    """

    name: str
    revision: str
    version: int | None
    created: float
    deployed: float
    handler: str
    code_sha256: str
    code_size: int
    files: tuple[str, ...]
    environment: str | None = None
    limits: Limits | None = None
    timeout_s: float | None = None
    env_vars: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    description: str = ""
    concurrency: int = 0
    reuse: bool = True
    versions: tuple[int, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, revision: FunctionRevision, info: FunctionInfo) -> DeployedFunction:
        """A revision of a function, without what is nobody's business."""
        spec = revision.spec
        return cls(
            name=info.name,
            revision=revision.revision,
            version=revision.version,
            created=info.created,
            deployed=revision.created,
            handler=spec.handler,
            code_sha256=revision.code_sha256,
            code_size=revision.code_size,
            files=tuple(spec.files),
            environment=spec.environment,
            limits=spec.limits,
            timeout_s=spec.timeout_s,
            env_vars=tuple(spec.env_vars),
            schema=spec.schema,
            description=spec.description,
            concurrency=spec.concurrency,
            reuse=spec.reuse,
            versions=info.versions,
            aliases=info.aliases,
        )

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        return {**shallow(self), "limits": shallow(self.limits) if self.limits else None}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> DeployedFunction:
        """The inverse of :meth:`to_dict`."""
        tuples = {name: tuple(body.get(name) or ()) for name in ("files", "env_vars", "versions")}
        limits = known(Limits, body["limits"]) if body.get("limits") else None
        function: DeployedFunction = known(cls, {**body, **tuples, "limits": limits})
        return function
