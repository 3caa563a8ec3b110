"""The words of insitu as typed values.

They are plain frozen dataclasses, so that the client parts work everywhere with nothing but the standard library.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeVar

Outcome = Literal["ok", "error", "timeout", "out_of_memory", "crashed", "cancelled"]
EventKind = Literal["started", "stdout", "stderr", "result", "tool_call", "tool_result", "finished"]
AnswerEventKind = Literal["text", "code", "output", "step", "file", "finished"]

MIB = 1 << 20
GIB = 1 << 30


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
class Result:
    """One value that code displayed: the same thing in several MIME types.

    Args:
        data: MIME type to text; binary types such as ``image/png`` are base64.
        main: whether it is the value of the code's last expression.
    """

    data: Mapping[str, Any]
    main: bool = False

    @property
    def text(self) -> str | None:
        """The plain text form."""
        text = self.data.get("text/plain")
        return text if isinstance(text, str) else None

    @property
    def png(self) -> bytes | None:
        """The image, if there is one."""
        encoded = self.data.get("image/png")
        try:
            return base64.b64decode(encoded) if isinstance(encoded, str) else None
        except ValueError:
            return None  # code that writes its own answers can call anything an image

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return dict(self.data)


@dataclass(frozen=True, slots=True)
class CodeError:
    """What went wrong in user code."""

    name: str
    value: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of the workspace; ``path`` is relative to it.

    Args:
        size: bytes.
        modified: seconds since the epoch, by the sandbox's clock.
        base64: the content, where it was asked for.
    """

    path: str
    size: int
    kind: Literal["file", "directory", "link", "other"] = "file"
    modified: float = 0.0
    base64: str | None = None

    @property
    def content(self) -> bytes | None:
        """The content, where it was asked for."""
        return None if self.base64 is None else base64.b64decode(self.base64)


@dataclass(frozen=True, slots=True)
class Truncated:
    """Which parts of an execution were cut at their limit."""

    stdout: bool = False
    stderr: bool = False
    results: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What an execution used: processor seconds, and the peak of memory where the kernel tells it."""

    cpu_s: float = 0.0
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Where an execution's time went, in milliseconds.

    Args:
        queued_ms: waiting for room on the server and for the session's earlier executions.
        sandbox_ms: making a sandbox or an interpreter; next to nothing where one was ready.
        run_ms: from sending the code to the last byte of its answer.
        total_ms: all of it.
    """

    queued_ms: float = 0.0
    sandbox_ms: float = 0.0
    run_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Execution:
    """One piece of code that has run.

    Args:
        session_id: None if its sandbox was made for it and is gone.
        state_kept: whether the session's variables are still there.
        exit_code: what a shell would say: 0, 1 after an error, n after ``sys.exit(n)``, 124 after a time-out,
            137 when killed or out of memory, 139 after a segmentation fault, 130 when cancelled.
        files: what this execution made or changed in the workspace.
    """

    id: str
    session_id: str | None
    outcome: Outcome
    state_kept: bool
    exit_code: int
    stdout: str = ""
    stderr: str = ""
    results: tuple[Result, ...] = ()
    error: CodeError | None = None
    files: tuple[FileInfo, ...] = ()
    truncated: Truncated = field(default_factory=Truncated)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end without an error."""
        return self.outcome == "ok"

    @property
    def result(self) -> Result | None:
        """The value of the last expression."""
        return next((r for r in self.results if r.main), None)

    @property
    def text(self) -> str:
        """What a person would read: stdout, then the value of the last expression."""
        value = self.result.text if self.result else None
        return self.stdout if value is None else f"{self.stdout}{value}"

    @property
    def images(self) -> tuple[bytes, ...]:
        """Every PNG among the results."""
        return tuple(png for r in self.results if (png := r.png) is not None)

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        # By hand: `asdict` copies deeply, which takes longer than many an execution's own work.
        return {
            "id": self.id,
            "session_id": self.session_id,
            "outcome": self.outcome,
            "state_kept": self.state_kept,
            "exit_code": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "results": [{"data": result.data, "main": result.main} for result in self.results],
            "error": _shallow(self.error) if self.error else None,
            "files": [_without_absent_content(info) for info in self.files],
            "truncated": _shallow(self.truncated),
            "usage": _shallow(self.usage),
            "timings": _shallow(self.timings),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Execution:
        """The inverse of :meth:`to_dict`; unknown keys are passed over, so that older clients read newer servers."""
        return cls(
            id=body["id"],
            session_id=body.get("session_id"),
            outcome=body["outcome"],
            state_kept=body["state_kept"],
            exit_code=body["exit_code"],
            stdout=body.get("stdout", ""),
            stderr=body.get("stderr", ""),
            results=tuple(Result(r["data"], bool(r.get("main"))) for r in body.get("results", ())),
            error=_known(CodeError, body["error"]) if body.get("error") else None,
            files=tuple(_known(FileInfo, f) for f in body.get("files", ())),
            truncated=_known(Truncated, body.get("truncated", {})),
            usage=_known(Usage, body.get("usage", {})),
            timings=_known(Timings, body.get("timings", {})),
        )

    def _repr_html_(self) -> str:
        from .html import execution_html

        return execution_html(self)

    def _repr_png_(self) -> bytes | None:
        return self.images[-1] if self.images else None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an execution's log.

    Args:
        seq: 0 for the first; resume a stream after one by its number.
        data: ``text`` for stdout and stderr, ``data`` and ``main`` for a result, the whole execution for finished.
    """

    seq: int
    kind: EventKind
    data: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The text of a stdout or stderr event; empty for the others."""
        return str(self.data.get("text", ""))

    @property
    def execution(self) -> Execution | None:
        """The whole execution, in the event ``finished``."""
        return Execution.from_dict(self.data) if self.kind == "finished" else None


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
        typed = {"limits": _known(Limits, body["limits"]), "env_vars": tuple(body.get("env_vars", ()))}
        known: SessionInfo = _known(cls, {**body, **typed})
        return known


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
        known: EnvironmentInfo = _known(cls, {**body, "preimported": tuple(body.get("preimported", ()))})
        return known


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of code that the model wrote in a turn, and what came of it.

    Args:
        output: stdout, stderr, results and traceback, as a notebook has them.
        images: the figures that it showed, as PNG.
        status: ``failed`` if it could not be run, or not to its end; an error that it raised is in the output.
    """

    code: str
    output: str = ""
    images: tuple[bytes, ...] = ()
    status: Literal["completed", "failed", "incomplete"] = "completed"
    container_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it; images are base64."""
        return {**_shallow(self), "images": [base64.b64encode(png).decode() for png in self.images]}


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file that code has made in a turn.

    Args:
        name: without folders.
        size: bytes; None where the server does not tell.
    """

    id: str
    name: str
    container_id: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens of all model calls of a turn together."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a question, and what it did for that.

    Args:
        id: of the response; a later question can follow it.
        reason: why it is incomplete: ``max_steps``, ``max_time``, ``max_tokens``, ``repeated_error``,
            ``max_output_tokens`` or ``content_filter``.
        text: all that the model said; what it said before a step, and after it, are paragraphs of their own.
        files: those that code has made, figures among them.
    """

    id: str
    model: str
    status: Literal["completed", "incomplete"]
    reason: str | None = None
    text: str = ""
    steps: tuple[Step, ...] = ()
    files: tuple[AnswerFile, ...] = ()
    usage: TokenUsage = field(default_factory=TokenUsage)

    @property
    def ok(self) -> bool:
        """Whether the model came to its end."""
        return self.status == "completed"

    @property
    def images(self) -> tuple[bytes, ...]:
        """Every figure of its steps, as PNG."""
        return tuple(png for step in self.steps for png in step.images)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON has it."""
        return {
            "id": self.id,
            "model": self.model,
            "status": self.status,
            "reason": self.reason,
            "text": self.text,
            "steps": [step.to_dict() for step in self.steps],
            "files": [_shallow(file) for file in self.files],
            "usage": _shallow(self.usage),
        }

    def _repr_html_(self) -> str:
        from .html import answer_html

        return answer_html(self)


AnyAnswer = TypeVar("AnyAnswer", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class AnswerEvent(Generic[AnyAnswer]):
    """Something that happens while a question is answered.

    Args:
        seq: 0 for the first.
        text: some more of the answer, of a step's code, or of its output; the rest of it comes with later events.
        index: the step that it belongs to; 0 for the first.
        stream: where output comes from; ``result`` is the value of the last expression, and a traceback.
        step: the whole step, in the event ``step``.
        file: the file, in the event ``file``.
        answer: the whole answer, in the event ``finished``.
    """

    seq: int
    kind: AnswerEventKind
    text: str = ""
    index: int | None = None
    stream: Literal["stdout", "stderr", "result"] | None = None
    step: Step | None = None
    file: AnswerFile | None = None
    answer: AnyAnswer | None = None


def _known(cls: Any, body: Mapping[str, Any]) -> Any:
    return cls(**{name: body[name] for name in cls.__dataclass_fields__ if name in body})


def _shallow(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _without_absent_content(info: FileInfo) -> dict[str, Any]:
    body = _shallow(info)
    if info.base64 is None:
        del body["base64"]
    return body
