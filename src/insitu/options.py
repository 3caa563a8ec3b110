"""What `run()`, `stream()` and `files` take, alike for a server and for this process; None is the default."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypedDict

from anyio import to_thread

from .errors import InvalidRequest
from .types import Event, Execution, Result

TextListener = Callable[[str], object]
ResultListener = Callable[[Result], object]

SmallContent = str | bytes | PathLike[str]
Content = SmallContent | BinaryIO | Iterable[bytes]
AsyncContent = Content | AsyncIterable[bytes]

_CHUNK_BYTES = 1 << 18


class CallOptions(TypedDict, total=False):
    """What a call of a function may be given, as any execution.

    Args:
        timeout_s: wall time, in seconds.
        env_vars: environment variables of this execution.
    """

    timeout_s: float | None
    env_vars: Mapping[str, str] | None


class RunOptions(CallOptions, total=False):
    """What one execution may be given.

    Args:
        files: workspace path to content; a string is text, a ``Path`` names a file of this machine.
        return_files: patterns of the changed files whose content comes back with the execution.
        tools: names of what the code may call; on a server none by default, in this process all that it was given.
    """

    files: Mapping[str, SmallContent] | None
    return_files: Sequence[str] | None
    tools: Sequence[str] | None


class SizeOptions(TypedDict, total=False):
    """The limits of a sandbox, but for time; :class:`insitu.Limits` has their units."""

    memory_bytes: int | None
    cpus: float | None
    processes: int | None
    disk_bytes: int | None
    output_bytes: int | None
    results_bytes: int | None


class SessionChanges(TypedDict, total=False):
    """What may change while a session lives.

    Args:
        ttl_s: seconds after which it ends in any case.
        idle_timeout_s: seconds without use after which it ends.
    """

    metadata: Mapping[str, str] | None
    ttl_s: float | None
    idle_timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who wants to hear of an execution while it runs."""

    on_stdout: TextListener | None
    on_stderr: TextListener | None
    on_result: ResultListener | None

    def __bool__(self) -> bool:
        return any((self.on_stdout, self.on_stderr, self.on_result))

    def follow(self, events: Generator[Event]) -> Execution:
        """Tells of every event, and returns the execution that the last one carries."""
        last: Event | None = None
        with closing(events):
            for last in events:
                self.tell(last)
        return _finished(last)

    async def follow_async(self, events: AsyncGenerator[Event]) -> Execution:
        """The same from an event loop, with listeners that may be async."""
        last: Event | None = None
        async with aclosing(events):
            async for last in events:
                await self.tell_async(last)
        return _finished(last)

    async def tell_async(self, event: Event) -> None:
        """Tell of one event, to listeners that may be async."""
        if isawaitable(answer := self.tell(event)):
            await answer

    def tell(self, event: Event) -> object:
        """Tell of one event; returns what the listener does."""
        if event.kind == "stdout" and self.on_stdout:
            return self.on_stdout(event.text)
        if event.kind == "stderr" and self.on_stderr:
            return self.on_stderr(event.text)
        if event.kind == "result" and self.on_result:
            return self.on_result(Result(event.data["data"], bool(event.data.get("main"))))
        return None


def _finished(last: Event | None) -> Execution:
    execution = last.execution if last else None
    assert execution is not None, "a stream that does not end with `finished` raises"
    return execution


def check_code(code: object) -> None:
    """Refuses what is no string, before it goes anywhere."""
    if not isinstance(code, str):
        raise InvalidRequest(f"code is of type {type(code).__name__}; it must be a string")


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def small_bytes(content: SmallContent) -> bytes:
    """All of a content at once; text as UTF-8."""
    if isinstance(content, str):
        return content.encode()
    return content if isinstance(content, bytes) else Path(content).read_bytes()


def chunks(content: Content) -> Iterator[bytes]:
    """A content piece by piece: text, bytes, a path's file, an open file, or an iterable as it is."""
    if isinstance(content, PathLike):
        with Path(content).open("rb") as file:
            yield from iter(partial(file.read, _CHUNK_BYTES), b"")
    elif isinstance(content, str | bytes):
        yield small_bytes(content)
    elif hasattr(content, "read"):
        yield from iter(partial(content.read, _CHUNK_BYTES), b"")
    else:
        yield from content


async def async_chunks(content: AsyncContent) -> AsyncIterator[bytes]:
    """The same for an event loop, which a slow disk must not hold up."""
    if isinstance(content, str | bytes):
        yield small_bytes(content)
    elif isinstance(content, AsyncIterable):
        async for chunk in content:
            yield chunk
    else:
        pieces = chunks(content)
        while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
            yield piece


@contextmanager
def download_target(path: str, to: str | PathLike[str] | None) -> Iterator[tuple[Path, Path]]:
    """Where a download goes, and where it is written until it is whole."""
    target = Path(to or ".")
    if target.is_dir():
        target /= PurePosixPath(path).name
    part = target.with_name(f"{target.name}.part")
    try:
        yield target, part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
