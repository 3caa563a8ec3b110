"""Two servers on one data folder: neither takes the other, while it lives, for dead."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import PYTHON, run
from tests.support.turns import process
from tests.support.waiting import eventually
from tests.turn.conftest import Served


async def test_a_container_of_another_server_is_not_expired_and_not_to_be_had(serve: Served, tmp_path: Path) -> None:
    async with serve(data_dir=tmp_path) as one, serve(data_dir=tmp_path) as other:
        container = await one.client.containers.create(name="a")
        assert (await other.client.containers.retrieve(container.id)).status == "running"
        with pytest.raises(openai.NotFoundError) as refused:
            await other.client.containers.files.create(container.id, file=("a.txt", b"a"))
        assert refused.value.code == "container_elsewhere"
        assert (await one.client.containers.files.create(container.id, file=("a.txt", b"a"))).bytes == 1
        assert [file.path async for file in other.client.containers.files.list(container.id)] == ["/mnt/data/a.txt"]


async def test_a_conversation_goes_on_at_another_server_and_takes_nothing_from_the_first(
    serve: Served, tmp_path: Path, model: ScriptedModel
) -> None:
    model.script(run("x = 1"), say("Set."), run("'x' in dir()"), say("No."), run("x + 1"), say("2."))
    async with serve(data_dir=tmp_path) as one, serve(data_dir=tmp_path) as other:
        first = await one.ask(tools=[PYTHON])
        there = await other.ask(
            tools=[PYTHON], previous_response_id=first.id, include=["code_interpreter_call.outputs"]
        )
        assert there.output[0].to_dict()["outputs"] == [{"type": "logs", "logs": "False"}]
        here = await one.ask(tools=[PYTHON], previous_response_id=first.id, include=["code_interpreter_call.outputs"])
        assert here.output[0].to_dict()["outputs"] == [{"type": "logs", "logs": "2"}]


async def test_a_response_that_another_server_makes_has_not_failed_until_that_dies(
    serve: Served, tmp_path: Path, model: ScriptedModel
) -> None:
    model.script(hang(say("Let me think."), after=2))
    with process(tmp_path, upstream=model.url) as (made, url):
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="theirs", max_retries=0) as client:
            asked = await client.responses.create(model="scripted", input="?", background=True)
            await eventually(lambda: not model.left)
        async with serve(data_dir=tmp_path / "data") as other:
            assert (await other.client.responses.retrieve(asked.id)).status == "in_progress"
            made.kill()
            made.wait()
            assert (await other.client.responses.retrieve(asked.id)).status == "failed"
