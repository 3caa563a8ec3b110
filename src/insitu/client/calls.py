"""Every call of the HTTP API as a value: what to send, and what the answer means. No network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from insitu.options import (
    CallOptions,
    RunOptions,
    SessionChanges,
    SizeOptions,
    SmallContent,
    check_code,
    given,
    small_bytes,
)
from insitu.types import EnvironmentInfo, Execution, FileInfo, Limits, SessionInfo

T = TypeVar("T")


class SandboxOptions(SizeOptions, total=False):
    """What a sandbox on a server may be given."""

    environment: str | None
    tier: str | None


class FreshCallOptions(CallOptions, SandboxOptions, total=False):
    """What a call of a function in a fresh sandbox may be given."""


class FreshRunOptions(RunOptions, SandboxOptions, total=False):
    """What an execution in a fresh sandbox may be given."""


class SessionOptions(FreshCallOptions, SessionChanges, total=False):
    """What a session may be given; time-out and environment variables are those of each of its executions."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how to read the JSON of its answer.

    Args:
        content_type: of the bytes that are sent in place of a body.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str | int] | None = None
    content_type: str = "application/octet-stream"


def run_fresh(code: str, options: FreshRunOptions, *, stream: bool = False) -> Call[Execution]:
    """Run code in a fresh sandbox."""
    body = with_limits(options, without=("timeout_s",))
    return Call("POST", "/v1/execute", Execution.from_dict, _execution(code, body, stream))


def run(session_id: str, code: str, options: RunOptions, *, stream: bool = False) -> Call[Execution]:
    """Run code in a session."""
    path = f"/v1/sessions/{_id(session_id)}/execute"
    return Call("POST", path, Execution.from_dict, _execution(code, options, stream))


def create_session(options: SessionOptions) -> Call[SessionInfo]:
    """Make a session."""
    return Call("POST", "/v1/sessions", SessionInfo.from_dict, with_limits(options))


def sessions() -> Call[list[SessionInfo]]:
    """All sessions of this key."""
    return Call("GET", "/v1/sessions", lambda body: [SessionInfo.from_dict(s) for s in body["sessions"]])


def session(session_id: str) -> Call[SessionInfo]:
    """One session."""
    return Call("GET", f"/v1/sessions/{_id(session_id)}", SessionInfo.from_dict)


def update_session(session_id: str, changes: SessionChanges) -> Call[SessionInfo]:
    """Change a session."""
    return Call("PATCH", f"/v1/sessions/{_id(session_id)}", SessionInfo.from_dict, given(changes))


def end_session(session_id: str) -> Call[None]:
    """End a session."""
    return Call("DELETE", f"/v1/sessions/{_id(session_id)}", _nothing)


def interrupt(session_id: str) -> Call[bool]:
    """Interrupt what runs in a session."""
    return Call("POST", f"/v1/sessions/{_id(session_id)}/interrupt", lambda body: bool(body["interrupted"]))


def answer_call(execution_id: str, call_id: str, answer: Mapping[str, Any]) -> Call[None]:
    """Answer a call of the client's own function."""
    return Call("POST", f"/v1/executions/{_id(execution_id)}/answers", _nothing, {"call_id": call_id, **answer})


def follow_execution(execution_id: str, after: int) -> Call[Execution]:
    """The events of an execution behind the one of this number."""
    path = f"/v1/executions/{_id(execution_id)}/events"
    return Call("GET", path, Execution.from_dict, query={"after": after})


def interrupt_execution(execution_id: str) -> Call[bool]:
    """Interrupt an execution."""
    return Call("POST", f"/v1/executions/{_id(execution_id)}/interrupt", lambda body: bool(body["interrupted"]))


def tools() -> Call[list[dict[str, Any]]]:
    """The tools that code can be granted."""
    return Call("GET", "/v1/tools", lambda body: list(body["tools"]))


def environments() -> Call[list[EnvironmentInfo]]:
    """The environments of the server."""
    return Call("GET", "/v1/environments", lambda body: [EnvironmentInfo.from_dict(e) for e in body["environments"]])


def health() -> Call[dict[str, Any]]:
    """Whether the server lives."""
    return Call("GET", "/healthz", dict)


def models() -> Call[list[str]]:
    """The names of the models, the server's first one first."""
    return Call("GET", "/v1/models", lambda body: [str(model["id"]) for model in body["data"]])


def upload(boundary: str) -> Call[str]:
    """Store a file, which comes as a form; its id."""
    form = f"multipart/form-data; boundary={boundary}"
    return Call("POST", "/v1/files", lambda body: str(body["id"]), content_type=form)


def respond(body: Mapping[str, Any]) -> Call[Any]:
    """Answer a question, as a stream."""
    return Call("POST", "/v1/responses", _nothing, body)


def container_sizes(container_id: str) -> Call[dict[str, int]]:
    """The sizes in bytes of a container's latest files, by their ids."""
    return Call(
        "GET",
        f"/v1/containers/{_id(container_id)}/files",
        lambda body: {str(file["id"]): int(file["bytes"]) for file in body["data"]},
        query={"limit": 100, "order": "desc"},
    )


def read_container_file(container_id: str, file_id: str) -> Call[bytes]:
    """The bytes of a file of a container."""
    return Call("GET", f"/v1/containers/{_id(container_id)}/files/{_id(file_id)}/content", bytes)


def list_files(session_id: str, path: str, depth: int) -> Call[list[FileInfo]]:
    """What a folder of the workspace holds."""
    query: dict[str, str | int] = {"path": path, "depth": depth}
    return Call(
        "GET",
        f"/v1/sessions/{_id(session_id)}/files",
        lambda body: [_file(f) for f in body["files"]],
        query=query,
    )


def read_file(session_id: str, path: str) -> Call[bytes]:
    """A file's bytes."""
    return Call("GET", _file_path(session_id, path), bytes)


def write_file(session_id: str, path: str) -> Call[FileInfo]:
    """Make or replace a file."""
    return Call("PUT", _file_path(session_id, path), _file)


def delete_file(session_id: str, path: str) -> Call[None]:
    """Remove a file or a folder."""
    return Call("DELETE", _file_path(session_id, path), _nothing)


def _execution(code: str, options: Mapping[str, Any], stream: bool) -> dict[str, Any]:
    check_code(code)
    body = {"code": code, **given(options)}
    if "files" in body:
        body["files"] = inline_files(body["files"])
    return {**body, "stream": True} if stream else body


def inline_files(files: Mapping[str, SmallContent]) -> list[dict[str, str]]:
    """Files as they go with a request, from path to content."""
    return [{"path": path, **_inline(content)} for path, content in files.items()]


def _inline(content: SmallContent) -> dict[str, str]:
    if isinstance(content, str):
        return {"text": content}
    return {"base64": base64.b64encode(small_bytes(content)).decode()}


def with_limits(options: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """The options that are given, the limits among them in one object, as the API has them."""
    names = Limits.__dataclass_fields__.keys() - set(without)
    limits = {name: value for name, value in given(options).items() if name in names}
    rest = {name: value for name, value in given(options).items() if name not in names}
    return {**rest, "limits": limits} if limits else rest


def _id(session_id: str) -> str:
    return quote(session_id, safe="")


def _file_path(session_id: str, path: str) -> str:
    # The server judges every path: `..` must reach it, and not be resolved on the way.
    parts = (part.replace(".", "%2E") if part in {".", ".."} else quote(part, safe="") for part in path.split("/"))
    return f"/v1/sessions/{_id(session_id)}/files/{'/'.join(parts)}"


def _file(body: Mapping[str, Any]) -> FileInfo:
    return FileInfo(**{name: body[name] for name in FileInfo.__dataclass_fields__ if name in body})


def _nothing(_: object) -> None:
    return None
