"""An execution: what it may end in, its log, and what it leaves."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .mapping import known, shallow

Outcome = Literal["ok", "error", "timeout", "out_of_memory", "crashed", "cancelled"]
EventKind = Literal["started", "stdout", "stderr", "result", "tool_call", "tool_result", "finished"]


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
        session_id: None if its sandbox is no session that a client could use, such as one that was made for it.
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
            "error": shallow(self.error) if self.error else None,
            "files": [_without_absent_content(info) for info in self.files],
            "truncated": shallow(self.truncated),
            "usage": shallow(self.usage),
            "timings": shallow(self.timings),
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
            error=known(CodeError, body["error"]) if body.get("error") else None,
            files=tuple(known(FileInfo, f) for f in body.get("files", ())),
            truncated=known(Truncated, body.get("truncated", {})),
            usage=known(Usage, body.get("usage", {})),
            timings=known(Timings, body.get("timings", {})),
        )

    def _repr_html_(self) -> str:
        from ..html import execution_html

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


def _without_absent_content(info: FileInfo) -> dict[str, Any]:
    body = shallow(info)
    if info.base64 is None:
        del body["base64"]
    return body
