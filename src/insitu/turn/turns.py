"""All turns of a server, and what they share."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

import anyio
from anyio.abc import TaskGroup

from ..engine import Engine, ToolSpec
from ..errors import QuotaExceeded, ServerFull, UpstreamFailed
from ..settings import Settings
from ..store import Store
from ..tools import NOTHING, Grant, Registry
from ..types import EnvironmentInfo
from .asking import matches
from .container import Container
from .containers import Containers
from .events import TurnEvent, TurnResult
from .held import StepRuns
from .jobs import Jobs, open_jobs
from .keeping import keeping
from .loop import Loop
from .request import TurnRequest
from .step import Emit
from .tools import ServerTool, bash_tool, describe_fenced, editor_tool, python_tool, shell_tool
from .upstream import Upstream, open_upstream

_log = logging.getLogger("insitu.turn")
_TIDY_S = 60.0


class Turns:
    """Runs turns.

    Args:
        jobs: the background work of the dialects.
        registry: the server's tools for code.
        tasks: where steps run.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        store: Store,
        upstream: Upstream,
        jobs: Jobs,
        registry: Registry,
        tasks: TaskGroup,
    ) -> None:
        self.settings = settings
        self.store = store
        self.upstream = upstream
        self.jobs = jobs
        self.containers = Containers(settings, engine, store)
        self.runs = StepRuns(settings, engine, registry, tasks)
        self.running = 0
        self._running_of: Counter[str] = Counter()
        self._engine = engine
        self._registry = registry
        self._stopping = False
        self._idle = anyio.Event()

    @property
    def ready(self) -> bool:
        """Whether new turns are taken."""
        return not self._stopping

    def python(self, container: Container, taken: Iterable[str], granted: Grant = NOTHING) -> ServerTool:
        """The tool that runs Python in a container; ``taken`` are the names of the client's own."""
        return python_tool(container, self._environment, taken, granted)

    def grant(self, names: Sequence[str] | None, functions: Sequence[ToolSpec]) -> Grant:
        """What code may call; of two of one name it is the client's.

        Args:
            names: of the server's tools, or ``*`` for all; None for the operator's default.
            functions: the client's own.

        Raises:
            InvalidRequest: if there is no tool of a name.
        """
        if names is None:
            names = self._registry.there(self.settings.turn_tools)
        return self._registry.grant(names, functions)

    def shell(self, container: Container, taken: Iterable[str]) -> ServerTool:
        """The tool that runs shell commands in a container."""
        return shell_tool(container, taken)

    def bash(self, container: Container, taken: Iterable[str]) -> ServerTool:
        """The tool that runs one shell command in a container."""
        return bash_tool(container, taken)

    def editor(self, container: Container, taken: Iterable[str]) -> ServerTool:
        """The tool that shows and changes a container's files."""
        return editor_tool(container, taken)

    def is_fenced(self, model: str) -> bool:
        """Whether a model calls no tools: it may be offered Python, and nothing else."""
        return matches(model, self.settings.fenced_models)

    async def run(self, request: TurnRequest, emit: Emit) -> TurnResult:
        """Run a turn to its end.

        Raises:
            ServerFull: if there is no room for it.
            QuotaExceeded: if the owner's share is used up.
            InvalidRequest: if the model cannot do what is asked.
            TurnFailed: if the model server failed.
        """
        with self.room(request.owner):
            return await self.run_in_room(request, emit)

    async def count_tokens(self, request: TurnRequest) -> int:
        """How many tokens the model would read, by its server's own count: it is asked for a single one more.

        Raises:
            UpstreamFailed: if it fails, or does not tell.
        """
        body = self._loop(request, lambda _: None).body()
        async with self.upstream.stream({**body, "max_tokens": 1}, request.caller_key) as pieces:
            told = [piece.tokens.input async for piece in pieces if piece.tokens is not None]
        if not told:
            raise UpstreamFailed("the model server does not tell how many tokens it has read")
        return told[-1]

    @contextmanager
    def room(self, owner: str) -> Iterator[None]:
        """The room of one turn; whoever has it may run his turn to its end, though the server stops.

        Raises:
            ServerFull: if there is none.
            QuotaExceeded: if the owner's share of it is used up.
        """
        if self._stopping:
            raise server_stopping()
        if self.running >= self.settings.max_turns:
            raise ServerFull(
                f"{self.running} turns run, and {self.settings.max_turns} is the most",
                hint="try again in a while; the setting max_turns is the bound",
            )
        share = self.settings.max_turns_per_owner
        if owner and self._running_of[owner] >= share:
            raise QuotaExceeded(f"{share} of your turns run, the most for one key", hint="wait for some of them to end")
        self.running += 1
        self._running_of[owner] += 1
        try:
            yield
        finally:
            self.running -= 1
            self._running_of[owner] -= 1
            self._running_of += Counter()  # forgets the owners that have none
            self._idle.set()

    async def run_in_room(self, request: TurnRequest, emit: Emit) -> TurnResult:
        """The same as :meth:`run`, for whoever has the room already."""
        with ExitStack() as stack:
            for container, file_ids in request.attached.stored.items():
                container.bring(file_ids)
            if contents := request.attached.contents:
                stack.enter_context(request.tools[0].container.bringing(contents))
            if not request.keep_files:
                return await self._loop(request, emit).run()
            return await self._run_and_keep(request, emit)

    async def _run_and_keep(self, request: TurnRequest, emit: Emit) -> TurnResult:
        async with keeping(self.containers, request.owner) as keeper:

            def hear(event: TurnEvent) -> None:
                emit(event)
                keeper.hear(event)

            return await self._loop(request, hear).run()

    def _loop(self, request: TurnRequest, emit: Emit) -> Loop:
        explanation = describe_fenced(self._environment, request.tools[0]) if request.tools else ""
        return Loop(self.settings, self.upstream, self.runs, request, emit, explanation)

    async def drain(self, timeout_s: float) -> None:
        """Take no new turns, and wait for those that run, ``timeout_s`` seconds at the most."""
        self._stopping = True
        with anyio.move_on_after(timeout_s):
            while self.running:
                self._idle = anyio.Event()
                await self._idle.wait()
            await self.jobs.wait()
        self.runs.cut()

    async def tidy(self) -> None:
        """Forget what has expired, again and again."""
        while True:
            await anyio.sleep(_TIDY_S)
            self.runs.forget_old()
            try:
                await self.containers.forget_expired()
                await self.store.purge()
            except Exception:
                # A disk that fails now need not fail the next time, and must not end all turns.
                _log.exception("what has expired was not tidied up")

    @property
    def _environment(self) -> EnvironmentInfo:
        return self._engine.environments()[0]


def server_stopping() -> ServerFull:
    """The refusal of a server that stops."""
    return ServerFull("the server is stopping", hint="ask another one, or again in a while", retry_after_s=5)


@asynccontextmanager
async def open_turns(
    settings: Settings, engine: Engine, store: Store, registry: Registry | None = None
) -> AsyncIterator[Turns]:
    """Everything that turns need, for as long as a server runs.

    Args:
        registry: the server's tools for code, if there are any; whoever opened it closes it.
    """
    async with open_upstream(settings) as upstream, anyio.create_task_group() as tasks:
        try:
            async with open_jobs() as jobs:
                turns = Turns(settings, engine, store, upstream, jobs, registry or Registry(), tasks)
                tasks.start_soon(turns.tidy)
                yield turns
        finally:
            tasks.cancel_scope.cancel()
