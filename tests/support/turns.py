"""Servers for turns: in the test's own event loop, so that a test can look into them; and as processes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import uvicorn
from openai import AsyncOpenAI, AsyncStream
from openai.types.responses import Response

from insitu.engine import Engine, Session
from insitu.server.app import create_app
from insitu.server.run import listen
from insitu.settings import Settings
from insitu.turn.container import Container
from insitu.web.service import Service
from tests.support.guest import content
from tests.support.responses import ASKED
from tests.support.serve_command import served
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Place:
    """A server, and a client of it that asks once."""

    url: str
    service: Service
    client: AsyncOpenAI

    async def ask(self, *, max_retries: int = 0, **asked: Any) -> Response:
        """A response to a question with Python at hand."""
        client = self.client.with_options(max_retries=max_retries)
        return cast("Response", await client.responses.create(**{**ASKED, **asked}))

    async def stream(self, **asked: Any) -> AsyncStream[Any]:
        """The same as events."""
        made = await self.client.responses.create(**{**ASKED, **asked, "stream": True})
        return cast("AsyncStream[Any]", made)

    async def events(self, **asked: Any) -> list[Any]:
        """All of them."""
        return [event async for event in await self.stream(**asked)]

    async def container(self) -> Container:
        """A container that requests can name."""
        made = self.service.turns.containers.new("")
        await made.save()
        return made

    @property
    def session(self) -> Session:
        """The one session that there is."""
        [session] = self.service.engine.sessions()
        return session

    async def text(self, path: str) -> str:
        """A file of the one session."""
        return (await content(self.session.files, path)).decode()

    async def clear(self) -> None:
        """Return once nothing is under way any more, with no session left."""
        await self.idle()
        for session in self.service.engine.sessions():
            await self.service.engine.end_session(session)

    async def idle(self) -> None:
        """Return once nothing is under way any more."""
        turns, engine = self.service.turns, self.service.engine
        await eventually(lambda: turns.running == 0 and turns.jobs.running == 0 and engine.load["executions"] == 0)


@asynccontextmanager
async def placed(engine: Engine, settings: Settings) -> AsyncIterator[Place]:
    """A server over an engine that goes on when it ends."""
    app = create_app(settings, engine)
    with listen(settings) as sock:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=5
        )
        server, ended = _Server(config), anyio.Event()

        async def serve() -> None:
            await server.serve(sockets=[sock])
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            await eventually(lambda: server.started)
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            try:
                async with AsyncOpenAI(base_url=f"{url}/v1", api_key="theirs", max_retries=0) as client:
                    place = Place(url, app.state.service, client)
                    yield place
                    await place.clear()
            finally:
                server.should_exit = True
                with anyio.CancelScope(shield=True):
                    await ended.wait()  # cancelled, it would leave its parts to nobody


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process, which is not this server's."""
        yield


@contextmanager
def process(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`insitu serve`, and its address; its end is that of the block, at the latest."""
    own = {"pool_size": "0", "data_dir": str(folder / "data")}
    env = {f"INSITU_{name.upper()}": value for name, value in (own | settings).items()}
    with served(folder, env=env) as server:
        yield server.process, server.url


async def begun(stream: AsyncStream[Any], kind: str) -> str:
    """The id of the response that is streamed, once an event of this kind has come."""
    made = await anext(stream)
    async for event in stream:
        if event.type == kind:
            break
    return str(made.response.id)


def statuses(response: Response) -> list[tuple[str, str | None]]:
    """Type and status of each item of its output."""
    return [(item["type"], item.get("status")) for item in output(response)]


def output(response: Response) -> list[dict[str, Any]]:
    """Its output items as JSON."""
    return cast("list[dict[str, Any]]", response.to_dict()["output"])


def tasks() -> set[str]:
    """The tasks of this event loop, by what they do; those of the test runner are its own business."""
    named = {f"{task.get_name()} {task.get_coro()!r}" for task in asyncio.all_tasks()}
    return {name for name in named if "TestRunner" not in name}


async def assert_nothing_runs_but(before: set[str], timeout_s: float = 10) -> None:
    """Wait until there are no other tasks.

    Raises:
        AssertionError: with those that there are.
    """
    deadline = anyio.current_time() + timeout_s
    while left := tasks() - before:
        assert anyio.current_time() < deadline, left
        await anyio.sleep(0.02)
