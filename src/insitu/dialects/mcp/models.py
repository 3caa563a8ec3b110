"""What the tools of MCP take and give, as clients read their schemas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...types import Outcome
from ...web.fields import InlineFile, Path

SessionId = Annotated[str, Field(max_length=128, description="of a session, as create_session gives it")]


class Arguments(BaseModel):
    """Arguments of a tool; models that write them need not be exact about numbers."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Arguments):
    """No arguments."""


class ExecutePython(Arguments):
    """Code to run."""

    code: str = Field(description="Python, run as a notebook's cell: the value of the last expression is shown")
    session_id: SessionId | None = Field(
        None, description="a session, whose variables and files stay; without it a fresh sandbox is used and dropped"
    )
    timeout_s: float | None = Field(None, gt=0, allow_inf_nan=False, description="wall time, in seconds")
    files: list[InlineFile] = Field([], max_length=100, description="files to put into the working directory first")


class CreateSession(Arguments):
    """A session to make."""

    idle_timeout_s: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="seconds without use after which it ends"
    )


class OfSession(Arguments):
    """A session."""

    session_id: SessionId


class WriteFile(InlineFile):
    """A file to write: either as text or in base64."""

    session_id: SessionId


class ListFiles(OfSession):
    """A folder to list."""

    path: Path = Field("", description="relative to the working directory; by default all of it")
    depth: Annotated[int, Field(ge=1, le=32)] = 8


class ReadFile(OfSession):
    """A file to read."""

    path: Path = Field(description="relative to the working directory")


class FileEntry(BaseModel):
    """A file of a session."""

    path: str
    size: int
    kind: Literal["file", "directory", "link", "other"] = "file"
    uri: str | None = Field(None, description="by which resources/read gives its content")


class ValueEntry(BaseModel):
    """A value that code has shown."""

    text: str
    main: bool = Field(description="whether it is the value of the last expression")


class ErrorEntry(BaseModel):
    """What went wrong in the code."""

    name: str
    value: str
    traceback: str


class ExecutionAnswer(BaseModel):
    """One piece of code that has run."""

    outcome: Outcome
    exit_code: int
    stdout: str
    stderr: str
    value: str | None = Field(description="of the last expression, as text")
    results: list[ValueEntry] = Field(description="all that was shown, as text, but figures")
    error: ErrorEntry | None
    files: list[FileEntry] = Field(description="what it made or changed")
    session_id: str | None
    state_kept: bool = Field(description="whether the session's variables are still there")


class SessionAnswer(BaseModel):
    """A session."""

    session_id: str
    idle_timeout_s: float
    expires_at: float = Field(description="when it ends at the latest, in seconds since the epoch")


class SessionsAnswer(BaseModel):
    """Sessions, the oldest first."""

    sessions: list[SessionAnswer]


class FilesAnswer(BaseModel):
    """Files of a session."""

    files: list[FileEntry]


class FileAnswer(FileEntry):
    """A file of a session that was read."""

    mime: str


class Closed(BaseModel):
    """A session that was closed."""

    session_id: str
    closed: bool
