"""What the routes take and give, as the description at /docs shows it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ...settings import Settings
from ...types import EnvironmentInfo, FileInfo, Limits, SessionInfo
from ...web.fields import Count, InlineFile, Name, Seconds, Strict
from .tool_models import ClientTool

OF_THE_SESSION = "set when the session is made, and fixed from then on"
Pattern = Annotated[str, StringConstraints(max_length=256)]
Variables = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=256)],
        Annotated[str, StringConstraints(max_length=32_768)],
    ],
    Field(max_length=256, fail_fast=True),
]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=128)], Annotated[str, StringConstraints(max_length=1024)]],
    Field(max_length=64, fail_fast=True),
]


class LimitsWish(Strict):
    """What a session may use; what is left out has the server's default, and none may be over its ceiling."""

    timeout_s: Seconds | None = Field(None, description="wall time of one execution, in seconds")
    memory_bytes: Count | None = Field(None, description="memory of the session's processes and files together")
    cpus: Seconds | None = Field(None, description="processor time per second of wall time; 1.0 is one core")
    processes: Count | None = Field(None, description="processes and threads at once")
    disk_bytes: Count | None = Field(None, description="workspace, /tmp and /dev/shm together, in bytes")
    output_bytes: Count | None = Field(None, description="stdout, and as much again of stderr, kept of one execution")
    results_bytes: Count | None = Field(None, description="all results of one execution, in bytes")

    def under(self, settings: Settings) -> Limits:
        """The limits that these wishes give on this server; raises OverCeiling."""
        return settings.limits(**self.model_dump())


class SessionExecuteRequest(Strict):
    """Code to run in a session."""

    code: str = Field(description="Python, run as a notebook's cell: the value of its last expression is a result")
    stream: bool = Field(False, description="answer with server-sent events while the code runs")
    timeout_s: Seconds | None = Field(None, description="wall time, in seconds; by default the session's limit")
    env_vars: Variables = Field({}, description="environment variables of this execution")
    files: list[InlineFile] = Field([], max_length=1000, description="files to put into the workspace first")
    return_files: list[Pattern] = Field(
        [],
        max_length=16,
        description="patterns of files whose content comes with the answer, such as `*.png`",
    )
    tools: list[Name] = Field([], max_length=1000, description="of GET /v1/tools: what the code may call; `*` is all")
    client_tools: list[ClientTool] = Field(
        [], max_length=128, description="functions of the client's own that the code may call; only with stream"
    )

    @model_validator(mode="after")
    def _answered_meanwhile(self) -> Self:
        if self.client_tools and not self.stream:
            raise ValueError("client_tools: only with stream, by which the client hears of the calls")
        return self


class WithSandbox(Strict):
    """What may run in a session, or in a fresh sandbox that is destroyed afterwards."""

    session_id: Name | None = Field(None, description="the session to run in; by default a fresh sandbox")
    environment: Name | None = Field(None, description="one of GET /v1/environments; only without session_id")
    tier: Name | None = Field(None, description="the kind of wall around the sandbox; only without session_id")
    limits: LimitsWish | None = Field(None, description="only without session_id")

    @model_validator(mode="after")
    def _made_with_the_session(self) -> Self:
        given = [name for name in ("environment", "tier", "limits") if getattr(self, name) is not None]
        if given and self.session_id is not None:
            raise ValueError(f"{' and '.join(given)}: {OF_THE_SESSION}; leave it out, or leave out session_id")
        return self


class ExecuteRequest(WithSandbox, SessionExecuteRequest):
    """Code to run, in a session or in a fresh sandbox that is destroyed afterwards."""


class CreateSessionRequest(Strict):
    """A session to make; everything has a default."""

    environment: Name | None = Field(None, description="one of GET /v1/environments")
    tier: Name | None = Field(None, description="the kind of wall around the sandbox")
    limits: LimitsWish | None = None
    env_vars: Variables = Field({}, description="environment variables of all its executions")
    metadata: Metadata = Field({}, description="the caller's own notes; shown, never used")
    ttl_s: Seconds | None = Field(None, description="seconds after which the session ends in any case")
    idle_timeout_s: Seconds | None = Field(None, description="seconds without use after which the session ends")


class UpdateSessionRequest(Strict):
    """What to change of a session; what is left out stays."""

    metadata: Metadata | None = Field(None, description="takes the place of all metadata")
    ttl_s: Seconds | None = Field(None, description="seconds from now after which the session ends in any case")
    idle_timeout_s: Seconds | None = Field(None, description="seconds without use after which the session ends")


class SessionList(BaseModel):
    """The caller's sessions."""

    sessions: list[SessionInfo]


class FilesQuery(BaseModel):
    """Which files to list."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field("", max_length=4096, description="a folder of the workspace")
    depth: int = Field(1, ge=1, le=32, description="how many levels of folders")


class FileList(BaseModel):
    """Files of a workspace; at most 1000."""

    files: list[FileInfo]


class EnvironmentList(BaseModel):
    """The environments that sandboxes can have."""

    environments: list[EnvironmentInfo]


class Interrupted(BaseModel):
    """Whether anything ran that could be interrupted."""

    interrupted: bool
