"""All turns of a server, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio

from ..engine import Engine
from ..errors import ServerFull
from ..settings import Settings
from ..store import Store
from ..types import EnvironmentInfo
from .containers import Container, Containers
from .events import MadeFile, TurnResult
from .jobs import Jobs, open_jobs
from .loop import Loop
from .request import TurnRequest
from .running import CallRunner
from .step import Emit
from .tools import ServerTool, describe_fenced, python_tool, shell_tool
from .upstream import Upstream, open_upstream

_TIDY_S = 60.0


class Turns:
    """Runs turns.

    Args:
        jobs: the background work of the dialects.
    """

    def __init__(self, settings: Settings, engine: Engine, store: Store, upstream: Upstream, jobs: Jobs) -> None:
        self.settings = settings
        self.store = store
        self.upstream = upstream
        self.jobs = jobs
        self.containers = Containers(settings, engine, store)
        self._engine = engine
        self._running = 0

    def python(self, container: Container, taken: Iterable[str]) -> ServerTool:
        """The tool that runs Python in a container; ``taken`` are the names of the client's own."""
        return python_tool(container, self._environment, taken)

    def shell(self, container: Container, taken: Iterable[str]) -> ServerTool:
        """The tool that runs shell commands in a container."""
        return shell_tool(container, taken)

    async def run(self, request: TurnRequest, emit: Emit) -> TurnResult:
        """Run a turn to its end.

        Raises:
            ServerFull: if too many turns run.
            InvalidRequest: if the model cannot do what is asked.
            TurnFailed: if the model server failed.
        """
        if self._running >= self.settings.max_turns:
            raise ServerFull(f"{self._running} turns run, and {self.settings.max_turns} is the most")
        runner = CallRunner(self._engine, emit, self.settings.tool_output_chars)
        explanation = describe_fenced(self._environment, request.tools[0].container.limits) if request.tools else ""
        loop = Loop(self.settings, self.upstream, runner, request, emit, explanation)
        self._running += 1
        try:
            return await loop.run()
        finally:
            self._running -= 1
            if request.keep_files:
                await self._keep(loop.files.values(), request.owner)

    async def _keep(self, files: Iterable[MadeFile], owner: str) -> None:
        for file in files:
            await (await self.containers.get(file.container_id, owner)).keep(file)

    async def tidy(self) -> None:
        """Forget what has expired, again and again."""
        while True:
            await anyio.sleep(_TIDY_S)
            await self.containers.forget_expired()
            await self.store.purge()

    @property
    def _environment(self) -> EnvironmentInfo:
        return self._engine.environments()[0]


@asynccontextmanager
async def open_turns(settings: Settings, engine: Engine, store: Store) -> AsyncIterator[Turns]:
    """Everything that turns need, for as long as a server runs."""
    async with open_upstream(settings) as upstream, open_jobs() as jobs:
        turns = Turns(settings, engine, store, upstream, jobs)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turns.tidy)
            try:
                yield turns
            finally:
                tasks.cancel_scope.cancel()
