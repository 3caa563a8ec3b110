"""A server that stops, or is killed, in the midst of turns and between them."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import openai
import pytest

from tests.support.model import Json, Received, ScriptedModel, hang, say
from tests.support.responses import ASKED, PYTHON, STOPPED, logs, run
from tests.support.turns import begun, process, statuses
from tests.support.waiting import eventually

ENDLESS = "print('up', flush=True)\nwhile True: pass"
# Ends by itself, once the test has seen what it wants to see.
UNTIL_TOLD = "print('up', flush=True)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n'done'"


class Running:
    """A server, as a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str, client: openai.AsyncOpenAI) -> None:
        self.process = process
        self.url = url
        self.client = client

    async def ask(self, **asked: Any) -> Any:
        """A response to a question with Python at hand."""
        return await self.client.responses.create(**{**ASKED, **asked})

    async def stream(self, code: str = "insitu.output.delta", **asked: Any) -> tuple[Any, str]:
        """A stream that runs code which has written something, and the id of its response."""
        stream = await self.ask(stream=True, **asked)
        return stream, await begun(stream, code)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and return once it is known."""
        self.process.send_signal(number)
        async with httpx2.AsyncClient() as client:

            async def is_known() -> bool:
                return (await client.get(f"{self.url}/readyz")).status_code == 503

            await eventually(is_known)

    async def completed(self, response_id: str) -> Any:
        """A response of the background, once it is there."""

        async def is_there() -> bool:
            return (await self.client.responses.retrieve(response_id)).status != "in_progress"

        await eventually(is_there)
        return await self.client.responses.retrieve(response_id)

    def assert_ended_well(self) -> None:
        """Wait for its end."""
        assert self.process.stderr
        assert self.process.wait(30) == 0
        assert [line for line in self.process.stderr if not line.startswith("stopping: ")] == []


@asynccontextmanager
async def started(folder: Path, model: ScriptedModel, **settings: str) -> AsyncIterator[Running]:
    """A server with the model behind it."""
    with process(folder, upstream=model.url, **settings) as (made, url):
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="theirs", max_retries=0) as client:
            yield Running(made, url, client)


async def asked(model: ScriptedModel, number: int) -> Received:
    """A request for an answer, as soon as it is there; a server that starts asks for something else, too."""
    await eventually(lambda: sum(request.method == "POST" for request in model.requests) > number)
    return [request for request in model.requests if request.method == "POST"][number]


async def test_turns_that_run_go_on_to_their_end_and_new_ones_are_refused(tmp_path: Path, model: ScriptedModel) -> None:
    stopping = threading.Event()

    plain: list[Any] = []

    def once_it_stops(_: Json) -> Any:
        # What is asked meanwhile waits, too.
        assert stopping.wait(30)
        return say("Hello!")

    async def pass_through(server: Running) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
        plain.append(await server.client.post("/chat/completions", body=body, cast_to=object))

    async with started(tmp_path, model) as server, anyio.create_task_group() as tasks:
        container = (await server.client.containers.create(name="mine")).id
        model.script(run(UNTIL_TOLD))
        stream, _ = await server.stream(tools=[{**PYTHON, "container": container}])
        model.script(once_it_stops)
        tasks.start_soon(pass_through, server)
        await asked(model, 1)
        # In the background, and without a sandbox yet.
        model.script(run("6 * 7"))
        later = await server.ask(background=True)
        await server.stop()
        with pytest.raises(openai.InternalServerError) as refused:
            await server.ask()
        assert (refused.value.status_code, refused.value.code) == (503, "server_full")
        assert refused.value.response.headers["retry-after"] == "5"
        for route in ("execute", "sessions"):
            with pytest.raises(openai.InternalServerError, match="the server is stopping"):
                await server.client.post(f"/{route}", body={"code": "1"} if route == "execute" else {}, cast_to=object)
        model.script(say("42."))
        stopping.set()
        assert (await server.completed(later.id)).output_text == "42."
        model.script(run("1 + 1"), say("Two."))
        await server.client.containers.files.create(container, file=("go", b""))
        events = [event async for event in stream]
        assert (events[-1].type, events[-1].response.output_text) == ("response.completed", "Two.")
        assert logs(events[-1].response) == ["up\n'done'", "2"]
        server.assert_ended_well()
    [answer] = plain
    assert answer["choices"][0]["message"]["content"] == "Hello!"
    async with started(tmp_path, model) as again:
        response = await again.client.responses.retrieve(later.id)
        assert (response.status, response.output_text, logs(response)) == ("completed", "42.", ["42"])


async def test_past_its_bound_a_server_cuts_its_turns_and_says_so(tmp_path: Path, model: ScriptedModel) -> None:
    plain: list[Any] = []

    async def ask(server: Running) -> None:
        try:
            plain.append(await server.ask())
        except openai.APIStatusError as exc:
            plain.append(exc)

    async with started(tmp_path, model, shutdown_s="0.5") as server, anyio.create_task_group() as tasks:
        model.script(run(ENDLESS))
        stream, streamed = await server.stream()
        model.script(run(ENDLESS))
        background, later = await server.stream(background=True)
        model.script(hang(after=None))
        tasks.start_soon(ask, server)
        await asked(model, 2)
        await server.stop()
        last = [[event async for event in each][-1] for each in (stream, background)]
        for event in last:
            assert (event.type, event.response.status) == ("response.failed", "failed")
            assert event.response.error.message == STOPPED
        assert await anyio.to_thread.run_sync((await asked(model, 2)).closed.wait, 20)
        server.assert_ended_well()
    # Nothing ran for it: it is asked for again, of another server.
    [refused] = plain
    assert (refused.status_code, refused.code, refused.response.headers["retry-after"]) == (503, "server_full", "5")
    async with started(tmp_path, model) as again:
        for made in (streamed, later):
            stored = await again.client.responses.retrieve(made)
            assert (stored.status, statuses(stored)) == ("failed", [("code_interpreter_call", "incomplete")])
        model.script(say("Well."))
        assert (await again.ask(previous_response_id=streamed)).output_text == "Well."
        assert "has expired" in (await asked(model, 3)).body["messages"][0]["content"]


async def test_a_second_signal_cuts_turns_at_once(tmp_path: Path, model: ScriptedModel) -> None:
    async with started(tmp_path, model, shutdown_s="600") as server:
        model.script(run(ENDLESS))
        stream, _ = await server.stream()
        await server.stop()
        server.process.send_signal(signal.SIGTERM)
        last = [event async for event in stream][-1]
        assert (last.type, last.response.error.message) == (
            "response.failed",
            STOPPED,
        )
        server.assert_ended_well()


async def test_a_server_that_is_killed_goes_on_where_it_was(tmp_path: Path, model: ScriptedModel) -> None:
    async with started(tmp_path, model) as server:
        model.script(run("x = 1; open('a.txt', 'w').write('a')"), say("See [a](sandbox:/mnt/data/a.txt)."))
        first = await server.ask()
        model.script(run(ENDLESS))
        stream, cut = await server.stream(background=True)
        server.process.kill()
        with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
            [event async for event in stream]
    old = first.output[0].container_id
    async with started(tmp_path, model) as again:
        model.script(run("'x' in globals()"), say("It is gone."))
        second = await again.ask(previous_response_id=first.id)
        assert (second.output_text, logs(second)) == ("It is gone.", ["False"])
        assert second.output[0].container_id != old
        instructions, *rest = (await asked(model, 3)).body["messages"]
        assert instructions["role"] == "system"
        assert "has expired: its variables and files are gone" in instructions["content"]
        assert [message["role"] for message in rest] == ["user", "assistant", "tool", "assistant", "user"]
        assert (await again.client.containers.retrieve(old)).status == "expired"
        # What a finished turn has made is still there; what was in the making is not.
        [citation] = first.output[1].content[0].annotations
        kept = await again.client.containers.files.content.retrieve(citation.file_id, container_id=old)
        assert kept.content == b"a"
        failed = await again.client.responses.retrieve(cut)
        assert failed.error
        assert (failed.status, failed.error.message) == ("failed", STOPPED)
