"""The tools: what each is called, what it takes and gives, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import mcp_types as types
from pydantic import BaseModel, ValidationError

from ...engine import Session
from ...errors import InvalidRequest
from ...guest.lockdown import WORKSPACE
from ...turn.described import describe
from ...web.errors import invalid_request
from ...web.fields import uploads
from . import answers
from .models import (
    Closed,
    CreateSession,
    ExecutePython,
    ExecutionAnswer,
    FileAnswer,
    FileEntry,
    FilesAnswer,
    ListFiles,
    Nothing,
    OfSession,
    ReadFile,
    SessionAnswer,
    SessionsAnswer,
    WriteFile,
)
from .resources import content_of, entry
from .running import Progress, run
from .sandboxes import Sandboxes

Asked = TypeVar("Asked", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Tool(Generic[Asked]):
    """One tool.

    Args:
        arguments: what it takes.
        answer: what its structured content is.
        work: what it does.
    """

    name: str
    title: str
    about: str | Callable[[Sandboxes], str]
    arguments: type[Asked]
    answer: type[BaseModel]
    hints: types.ToolAnnotations | Callable[[Sandboxes], types.ToolAnnotations]
    work: Callable[[Sandboxes, Asked, Progress | None], Awaitable[types.CallToolResult]]

    def described(self, sandboxes: Sandboxes) -> types.Tool:
        """The tool as clients list it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.about if isinstance(self.about, str) else self.about(sandboxes),
            input_schema=self.arguments.model_json_schema(),
            output_schema=self.answer.model_json_schema(mode="serialization"),
            annotations=self.hints(sandboxes) if callable(self.hints) else self.hints,
        )

    async def call(
        self, sandboxes: Sandboxes, given: dict[str, Any], progress: Progress | None
    ) -> types.CallToolResult:
        """Do it.

        Raises:
            InsituError: if it cannot be done.
        """
        try:
            asked = self.arguments.model_validate(given)
        except ValidationError as exc:
            told = invalid_request(exc, "the arguments").message
            raise InvalidRequest(told, hint=f"see the schema of the arguments of {self.name}") from None
        return await self.work(sandboxes, asked, progress)


async def _execute(sandboxes: Sandboxes, asked: ExecutePython, progress: Progress | None) -> types.CallToolResult:
    execution = await run(sandboxes, asked, progress)
    session = sandboxes.session(asked.session_id) if asked.session_id is not None else None
    return answers.of_execution(execution, session, sandboxes.settings.tool_output_chars)


async def _create(sandboxes: Sandboxes, asked: CreateSession, progress: Progress | None) -> types.CallToolResult:
    if asked.idle_timeout_s is not None:
        sandboxes.settings.within_ceiling("idle_timeout_s", asked.idle_timeout_s)
    made = await sandboxes.engine.create_session(owner=sandboxes.owner, idle_timeout_s=asked.idle_timeout_s)
    return answers.of(_described(made))


async def _sessions(sandboxes: Sandboxes, asked: Nothing, progress: Progress | None) -> types.CallToolResult:
    sessions = sandboxes.engine.sessions(owner=sandboxes.owner)
    return answers.of(SessionsAnswer(sessions=[_described(session) for session in sessions]))


async def _close(sandboxes: Sandboxes, asked: OfSession, progress: Progress | None) -> types.CallToolResult:
    await sandboxes.engine.end_session(sandboxes.session(asked.session_id))
    return answers.of(Closed(session_id=asked.session_id, closed=True))


async def _write(sandboxes: Sandboxes, asked: WriteFile, progress: Progress | None) -> types.CallToolResult:
    session = sandboxes.session(asked.session_id)
    [upload] = await uploads([asked])
    info = await session.files.write(upload.path, upload.chunks())
    return answers.of(entry(session, info))


async def _list(sandboxes: Sandboxes, asked: ListFiles, progress: Progress | None) -> types.CallToolResult:
    session = sandboxes.session(asked.session_id)
    found = await session.files.list(asked.path, asked.depth)
    return answers.of(FilesAnswer(files=[entry(session, info) for info in found]))


async def _read(sandboxes: Sandboxes, asked: ReadFile, progress: Progress | None) -> types.CallToolResult:
    session = sandboxes.session(asked.session_id)
    content = await content_of(session, asked.path)
    size = await session.files.size(asked.path)
    answer = FileAnswer(path=asked.path, size=size, uri=content.uri, mime=str(content.mime_type))
    return answers.of_file(content, answer)


def _described(session: Session) -> SessionAnswer:
    info = session.info()
    return SessionAnswer(session_id=info.id, idle_timeout_s=info.idle_timeout_s, expires_at=info.expires)


# A sandbox has no network, and what a tool changes is the caller's own session.
_READS = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
_ADDS = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
_CHANGES = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def _runs(sandboxes: Sandboxes) -> types.ToolAnnotations:
    # Tools that code may call can reach anything.
    return types.ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=bool(sandboxes.grant())
    )


def _about_python(sandboxes: Sandboxes) -> str:
    environment = sandboxes.engine.environments()[0]
    ahead = f" with {', '.join(environment.preimported)}, among others," if environment.preimported else ""
    return (
        f"Runs Python {environment.version}{ahead} in a sandbox, as a notebook's cell: what is printed and the value "
        "of the last expression come back, figures of matplotlib as images. "
        f"Files are in {WORKSPACE}, the working directory. There is no network. "
        "With a session_id variables, imports and files stay from call to call; without one nothing is kept."
        f"{describe(sandboxes.grant())}"
    )


TOOLS: tuple[Tool[Any], ...] = (
    Tool("execute_python", "Run Python", _about_python, ExecutePython, ExecutionAnswer, _runs, _execute),
    Tool(
        "create_session",
        "Make a session",
        "Makes a sandbox whose variables and files stay from call to call; give its session_id to the other tools.",
        CreateSession,
        SessionAnswer,
        _ADDS,
        _create,
    ),
    Tool("list_sessions", "List sessions", "Lists your sessions.", Nothing, SessionsAnswer, _READS, _sessions),
    Tool(
        "close_session",
        "Close a session",
        "Closes a session: what runs in it ends, and its variables and files are gone.",
        OfSession,
        Closed,
        _CHANGES,
        _close,
    ),
    Tool("write_file", "Write a file", "Writes a file into a session.", WriteFile, FileEntry, _CHANGES, _write),
    Tool("list_files", "List files", "Lists the files of a session.", ListFiles, FilesAnswer, _READS, _list),
    Tool(
        "read_file",
        "Read a file",
        "Reads a file of a session: text as text, an image as an image, anything else in base64.",
        ReadFile,
        FileAnswer,
        _READS,
        _read,
    ),
)
