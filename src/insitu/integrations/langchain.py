"""Python as a tool of LangChain's agents; needs the extra ``langchain``."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import Any, Literal, Protocol, TypeVar

import anyio
from anyio.to_thread import run_sync

from ..errors import InsituError
from ..output import SHOWN_CHARS, clipped, output_of
from ..types import Execution

try:
    from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
    from langchain_core.tools import BaseTool, ToolException
    from pydantic import BaseModel, ConfigDict, Field
except ModuleNotFoundError as error:
    raise ImportError(f"{error.msg}: pip install 'insitu[langchain]'") from error

_MOST_IMAGES = 8
_MOST_FILES = 20
_AGAIN_S = 0.05

T = TypeVar("T")


class Runs(Protocol):
    """What runs code: a session or a sandbox of insitu's, whose variables stay; or a client, with a fresh one each."""

    def run(self, code: str, /, **options: Any) -> Execution | Awaitable[Execution]:
        """Runs code."""


class PythonInput(BaseModel):
    """What the model writes."""

    code: str = Field(description="Python, run as a notebook's cell: the value of the last expression is shown")


class PythonTool(BaseTool):
    """Runs the Python that a model writes.

    The message for the model is what the code printed, showed and raised; its artifact is the
    :class:`insitu.Execution`, with figures and the files that were made. What a client's fresh sandboxes make is gone
    with them, but for the files that ``options`` has returned.

    Args:
        place: where code runs: a session, a sandbox or a client of insitu's, blocking or asynchronous. An asynchronous
            one serves agents that are invoked asynchronously alone. Of an agent that is cancelled the code ends, but
            for a blocking client's: that runs on to its end.
        options: those of ``place.run()``, for every call: ``timeout_s``, ``tools``, ``return_files`` and its others.
        shows_figures: whether figures are part of the message, for models that see.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str = "python"
    description: str = (
        "Runs Python in a sandbox like a notebook: what is printed and the value of the last expression are shown. "
        "Files are in /mnt/data, the working directory. There is no network."
    )
    args_schema: type[BaseModel] = PythonInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool = True
    place: Any = Field(exclude=True)
    options: dict[str, Any] = Field(default_factory=dict, exclude=True)
    shows_figures: bool = False

    def _run(self, code: str, run_manager: CallbackManagerForToolRun | None = None) -> tuple[Any, Execution]:
        place: Runs = self.place
        if inspect.iscoroutinefunction(place.run):
            raise TypeError("an asynchronous place runs code for agents that are invoked asynchronously (ainvoke)")
        try:
            execution = place.run(code, **self.options)
        except InsituError as error:
            raise _as_tool_error(error) from error
        assert isinstance(execution, Execution)
        return self._content(execution), execution

    async def _arun(
        self, code: str, run_manager: AsyncCallbackManagerForToolRun | None = None
    ) -> tuple[Any, Execution]:
        place: Runs = self.place
        if not inspect.iscoroutinefunction(place.run):
            return await _in_thread(partial(self._run, code), getattr(place, "interrupt", None))
        try:
            execution = await place.run(code, **self.options)
        except InsituError as error:
            raise _as_tool_error(error) from error
        return self._content(execution), execution

    def _content(self, execution: Execution) -> Any:
        text = _text(execution)
        images = execution.images[:_MOST_IMAGES]
        if not self.shows_figures or not images:
            return text
        shown = [
            {"type": "image", "base64": base64.b64encode(png).decode(), "mime_type": "image/png"} for png in images
        ]
        return [{"type": "text", "text": text}, *shown]


async def _in_thread(work: Callable[[], T], interrupt: Callable[[], bool] | None) -> T:
    """Work that blocks; whoever is cancelled meanwhile interrupts it, where that can be done."""
    begun, ended = Event(), Event()

    def run() -> T:
        begun.set()
        try:
            return work()
        finally:
            ended.set()

    try:
        return await run_sync(run, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        # In a thread of its own: LangChain's tasks are cancelled again whenever they wait.
        if interrupt and begun.is_set():
            Thread(target=_end, args=(interrupt, ended), daemon=True).start()
        raise


def _end(interrupt: Callable[[], bool], ended: Event) -> None:
    with suppress(InsituError):
        # As long as nothing is there to interrupt, it is on its way.
        while not ended.is_set() and not interrupt():
            ended.wait(_AGAIN_S)


def _as_tool_error(error: InsituError) -> ToolException:
    return ToolException(f"{error.message} ({error.hint})" if error.hint else error.message)


def _text(execution: Execution) -> str:
    """What a model reads of an execution."""
    notes = []
    if execution.images:
        notes.append(f"[figures shown: {len(execution.images)}]")
    if execution.files:
        gone = " and gone with their sandbox" if execution.session_id is None else ""
        more = f", and {len(execution.files) - _MOST_FILES} more" if len(execution.files) > _MOST_FILES else ""
        notes.append(f"[files written{gone}: {', '.join(info.path for info in execution.files[:_MOST_FILES])}{more}]")
    if not execution.state_kept and execution.session_id is not None:
        notes.append("[variables are gone; files are still there]")
    text = "\n".join(filter(None, (clipped(output_of(execution), SHOWN_CHARS), *notes)))
    return text or "[no output]"
