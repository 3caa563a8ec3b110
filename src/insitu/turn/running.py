"""Running the calls of one step in their containers, side by side where a container allows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import anyio

from ..engine import Engine, RunningExecution, Session
from ..errors import InsituError
from ..guest.lockdown import WORKSPACE
from ..heavy import encoded, heavy
from ..output import clipped, output_of
from ..tools import Registry
from ..types import MIB, Event, Execution, FileInfo
from .arguments import parse_arguments, whole_number
from .container import Container
from .editing import EditRefused, edit
from .events import CallDone, CallRunning, CallWritten, OutputDelta
from .report import notes_on
from .showing import Showing
from .step import ModelCall
from .steprun import StepRun
from .tools import ServerTool
from .undertaken import Run, Undertaken
from .workspace import HIDDEN

# Hidden, so that it is none of the files that code has made.
_FULL_OUTPUT = HIDDEN + "output-{id}.txt"
_MOST_FIGURES = 16
_FIGURE_BYTES = 8 * MIB
_LEAST_OUTPUT = 200


class CallRunner:
    """Runs the calls of a step, and tells of them.

    Args:
        registry: answers their code's calls of the server's tools.
        step: told of everything as it happens.
        shown_chars: characters of a call's output that the model is shown.
    """

    def __init__(self, engine: Engine, registry: Registry, step: StepRun, shown_chars: int, showing: Showing) -> None:
        self._engine = engine
        self._registry = registry
        self._step = step
        self._emit = step.hear
        self._shown_chars = shown_chars
        self._showing = showing

    async def run(self, undertaken: Undertaken) -> Run:
        """Run a call to its end; whatever goes wrong is in what the model is told."""
        call = undertaken.call
        assert call.tool is not None
        try:
            arguments = parse_arguments(call.arguments)
            parts = call.tool.parts(arguments)
        except ValueError as exc:
            return self._refuse(call, {}, str(exc), "invalid_arguments")
        if call.reader:
            call.reader.show(arguments[call.tool.code_field])
            call.reader = None
        undertaken.arguments = arguments
        self._emit(CallWritten(call.id, arguments))
        container_id = call.tool.container.id
        try:
            if call.tool.kind == "python":
                return await self._python(undertaken, call.tool, arguments, parts[0])
            if call.tool.kind == "editor":
                return await self._edit(call, call.tool.container, arguments)
            return await self._shell(call, call.tool.container, arguments, parts)
        except EditRefused as exc:
            return self._refuse(call, arguments, exc.message, exc.code)
        except InsituError as exc:
            await self._renew(call.tool.container)
            # Of several calls that lose it, the first renews it, and all are told.
            lost = call.tool.container.id != container_id
            more = ". The sandbox is gone, with its variables and files; the next call gets a new one" if lost else ""
            return self._refuse(call, arguments, exc.message + more, exc.code)

    async def _renew(self, container: Container) -> None:
        try:
            await container.renew_if_lost()
        except InsituError:
            pass  # the next call fails as this one did, and says why

    def _refuse(self, call: ModelCall, arguments: Mapping[str, Any], why: str, code: str) -> Run:
        call.reader = None
        told = f"[{why}]" if call.ran else f"[not run: {why}]"
        done = CallDone(call.id, arguments, told, failure=why, failure_code=code)
        self._emit(done)
        return Run(done, ("not run", why), call.ran)

    async def _python(self, undertaken: Undertaken, tool: ServerTool, arguments: Mapping[str, Any], code: str) -> Run:
        call, container = undertaken.call, tool.container
        session = await container.session()
        self._emit(CallRunning(call.id, container.id))
        start = self._engine.start(session, code, tools=tool.granted.specs)
        execution = await self._follow(call, start, undertaken=undertaken)
        shown = sum(len(result.data.get("image/png", "")) for result in execution.results)
        images = await heavy(shown, lambda: execution.images)
        pngs = [png for png in images if len(png) <= _FIGURE_BYTES][:_MOST_FIGURES]
        pngs = [png for png in pngs if self._showing.admits_figure(png)]
        saved = [figure for png in pngs if (figure := await container.save_figure(png))]
        files = await container.made([*_by_path(execution.files), *saved])
        hidden = len(images) - len(pngs)
        notes = notes_on(execution, files, len(pngs), hidden, gone=session.ended is not None)
        told = await self._tell(call, session, output_of(execution), notes)
        figures = tuple([await heavy(len(png), encoded, png) for png in pngs])
        called = tuple(undertaken.tools_called)
        done = CallDone(
            call.id, arguments, told, (self._showing.ended(execution),), tuple(files), figures, tools_called=called
        )
        return self._done(call, done)

    async def _shell(
        self, call: ModelCall, container: Container, arguments: Mapping[str, Any], commands: Sequence[str]
    ) -> Run:
        session = await container.session()
        self._emit(CallRunning(call.id, container.id))
        before = await container.files()
        executions = await self._side_by_side(call, session, arguments, commands)
        after = await container.files()
        changed = [info for path, info in after.items() if info != before.get(path)]
        files = await container.made(_by_path(changed))
        most = whole_number(arguments.get("max_output_length"))
        texts = [_command_report(execution, max(_LEAST_OUTPUT, most) if most else None) for execution in executions]
        told = await self._tell(call, session, "\n".join(texts), notes_on(executions[-1], files, 0))
        done = CallDone(call.id, arguments, told, tuple(map(self._showing.ended, executions)), tuple(files))
        # Many a command fails as a matter of course: it is the same error only if it is the same command.
        return self._done(call, done, "\n".join(commands))

    async def _edit(self, call: ModelCall, container: Container, arguments: Mapping[str, Any]) -> Run:
        session = await container.session()
        self._emit(CallRunning(call.id, container.id))
        call.ran = True
        async with container.editing:
            done = await edit(session.files, arguments)
        told = await heavy(done.chars, lambda: clipped(done.told, self._shown_chars))
        files = tuple(await container.made([done.file] if done.file else []))
        self._emit(event := CallDone(call.id, arguments, told, files=files, edit=self._showing.edited(done)))
        return Run(event, ran=True)

    async def _side_by_side(
        self, call: ModelCall, session: Session, arguments: Mapping[str, Any], commands: Sequence[str]
    ) -> list[Execution]:
        wished = whole_number(arguments.get("timeout_ms"))
        timeout_s = min(wished / 1000, self._engine.settings.max_timeout_s) if wished else None
        executions: dict[int, Execution] = {}
        failures: list[InsituError] = []

        async def one(index: int, command: str) -> None:
            try:
                start = self._engine.start_command(session, command, timeout_s=timeout_s)
                executions[index] = await self._follow(call, start, index)
            except InsituError as exc:
                failures.append(exc)

        async with anyio.create_task_group() as tasks:
            for index, command in enumerate(commands):
                tasks.start_soon(one, index, command)
        if failures:
            raise failures[0]
        return [executions[index] for index in range(len(commands))]

    async def _follow(
        self,
        call: ModelCall,
        start: AbstractAsyncContextManager[RunningExecution],
        index: int = 0,
        undertaken: Undertaken | None = None,
    ) -> Execution:
        async with start as running:
            call.ran = True
            try:
                if undertaken is not None:
                    self._attend(undertaken, running)
                async for event in running.events():
                    if event.kind == "stdout" or event.kind == "stderr":
                        if text := self._showing.live(event.text):
                            self._emit(OutputDelta(call.id, event.kind, text, index))
                    elif undertaken is not None:
                        self._note(undertaken, event)
                return await running.result()
            except BaseException:
                running.stop("cancelled")  # one that is paused would wait for a client who hears no more of it
                raise

    def _attend(self, undertaken: Undertaken, running: RunningExecution) -> None:
        tool = undertaken.call.tool
        assert tool is not None
        undertaken.running = running
        self._registry.attend(running, tool.granted, tool.container.record.owner)
        self._step.note()

    def _note(self, undertaken: Undertaken, event: Event) -> None:
        assert undertaken.call.tool is not None
        functions = {spec.name for spec in undertaken.call.tool.granted.functions}
        if (called := undertaken.note(event, functions)) is not None:
            self._emit(called)
        self._step.note()

    async def _tell(self, call: ModelCall, session: Session, output: str, notes: Sequence[str]) -> str:
        kept_at = None
        if len(output) > self._shown_chars:
            kept_at = await _keep(session, _FULL_OUTPUT.format(id=call.id[-12:]), output)
        shown = clipped(output, self._shown_chars, kept_at)
        return "\n".join(part for part in (shown, *notes) if part) or "[no output]"

    def _done(self, call: ModelCall, done: CallDone, tried: str = "") -> Run:
        self._emit(done)
        error = done.execution.error if done.execution else None
        return Run(done, (error.name, error.value + tried) if error else None, ran=True)


async def _keep(session: Session, path: str, text: str) -> str | None:
    async def chunks() -> Any:
        yield text.encode("utf-8", "replace")

    try:
        await session.files.write(path, chunks())
    except InsituError:
        return None  # no room: the model gets head and tail, and is not sent to a file that is not there
    return f"{WORKSPACE}/{path}"


def _by_path(files: Iterable[FileInfo]) -> list[FileInfo]:
    return sorted(files, key=lambda info: info.path)


def _command_report(execution: Execution, most: int | None) -> str:
    shown = replace(execution, error=None)
    text = output_of(shown)
    text = clipped(text, most) if most else text
    ending = "timed out" if execution.outcome == "timeout" else f"exit code {execution.exit_code}"
    return f"{text}\n[{ending}]".lstrip("\n")
