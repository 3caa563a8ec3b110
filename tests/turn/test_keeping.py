"""The files that code makes outlive their sandbox: they are kept while the turn goes on, and when it breaks off."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response

from insitu.types import MIB
from tests.support.model import Json, ScriptedModel, fail, hang, say
from tests.support.responses import ASKED, cited, run
from tests.support.turns import Place, begun
from tests.support.waiting import eventually

MANY = 130


async def end_sandbox(place: Place) -> None:
    """Leave nothing of the files but what is kept."""
    await place.clear()


async def kept(place: Place, container_id: str) -> dict[str, bytes | None]:
    """What is kept of each file of a container without a sandbox."""
    stored = place.service.store.containers
    files = [file async for file in place.client.containers.files.list(container_id, limit=100, order="asc")]
    found: dict[str, bytes | None] = {}
    for file in files:
        record = await stored.file(container_id, file.id, "")
        content = await stored.open(record) if record.blob else None
        found[file.path] = b"".join([chunk async for chunk in content.read()]) if content else None
    return found


def container_of(response: Response) -> str:
    """Where its code ran."""
    return str(next(item.container_id for item in response.output if item.type == "code_interpreter_call"))


async def test_many_files_are_kept_and_cited_up_to_a_hundred(place: Place, model: ScriptedModel) -> None:
    writing = f"for i in range({MANY}): open(f'f{{i:03}}', 'w').write(str(i))"
    model.script(run(writing), say("It is in [the last](sandbox:/mnt/data/f129)."))
    response = await place.ask()
    # The one that is linked, and those that there is room for besides.
    assert [each["filename"] for each in cited(response)] == ["f129", *(f"f{i:03}" for i in range(99))]
    await end_sandbox(place)
    found = await kept(place, container_of(response))
    assert len(found) == MANY
    assert [path for path, content in found.items() if content is not None] == [
        f"/mnt/data/f{i:03}" for i in range(100)
    ]
    assert found["/mnt/data/f042"] == b"42"


@pytest.mark.parametrize("size", [10, MIB], ids=["small", "large"])
async def test_what_is_kept_is_what_the_last_call_has_written(place: Place, model: ScriptedModel, size: int) -> None:
    model.script(*(run(f"open('f', 'wb').write({each!r} * {size})") for each in (b"a", b"b", b"c")), say("Done."))
    response = await place.ask()
    await end_sandbox(place)
    assert await kept(place, container_of(response)) == {"/mnt/data/f": b"c" * size}


async def test_a_file_is_kept_while_the_model_goes_on(place: Place, model: ScriptedModel) -> None:
    model.script(run("open('f', 'w').write('mine')"), hang(say("Now"), 1))
    stream = await place.stream()
    await begun(stream, "response.code_interpreter_call.completed")
    [container] = (await place.client.containers.list(limit=1)).data
    await model.wait_received(1)

    async def is_kept() -> bool:
        return await kept(place, container.id) == {"/mnt/data/f": b"mine"}

    await eventually(is_kept)
    await stream.close()


async def test_a_file_that_later_code_deletes_is_neither_cited_nor_kept(place: Place, model: ScriptedModel) -> None:
    writing = "open('stays', 'w').write('1')\nopen('goes', 'w').write('2')"
    model.script(run(writing), run("import os; os.unlink('goes')"), say("Done."))
    response = await place.ask()
    assert [each["filename"] for each in cited(response)] == ["stays"]
    await end_sandbox(place)
    assert await kept(place, container_of(response)) == {"/mnt/data/stays": b"1"}


async def test_a_turn_that_fails_or_that_nobody_waits_for_keeps_its_files(place: Place, model: ScriptedModel) -> None:
    made: list[Any] = []

    async def leave() -> None:
        stream = await place.stream()
        made.append(await begun(stream, "response.code_interpreter_call.completed"))
        await model.wait_received(3)
        await stream.close()

    writing = run("open('f', 'w').write('mine')")
    model.script(writing, fail(400))
    made.append((await place.events())[-1].response.id)
    model.script(writing, hang(after=None))
    await leave()
    await place.idle()
    await end_sandbox(place)
    for each in made:
        stored = await place.client.responses.retrieve(each)
        assert await kept(place, container_of(stored)) == {"/mnt/data/f": b"mine"}


async def test_a_turn_that_is_not_stored_keeps_nothing(place: Place, model: ScriptedModel) -> None:
    model.script(run("open('f', 'w').write('mine')"), say("Done."))
    body: Json = {**ASKED, "store": False}
    response = await place.ask(**body)
    [annotation] = cited(response)
    assert annotation["filename"] == "f"
    await end_sandbox(place)
    assert await kept(place, container_of(response)) == {"/mnt/data/f": None}
