"""Files of the user's on their way into a workspace: what they cost the database."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest

from insitu.store import ContainerRecord, FileDetails, Store
from insitu.turn import bringing, workspace
from insitu.types import FileInfo
from tests.support.model import ScriptedModel, say
from tests.support.responses import PYTHON, run
from tests.support.turns import Place


async def stored_file(place: Place, name: str) -> str:
    async def chunks() -> Any:
        yield b"stored"

    details = FileDetails(filename=name, purpose="user_data", mime="text/csv", expires=None)
    record = await place.service.store.files.receive(f"file-{name}", "", chunks(), 100, lambda: details)
    return record.id


def given(name: str, text: bytes) -> dict[str, Any]:
    data = base64.b64encode(text).decode()
    return {"type": "input_file", "filename": name, "file_data": f"data:text/csv;base64,{data}"}


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths of the files of each note."""
    seen: list[list[str]] = []

    async def note(store: Store, record: ContainerRecord, files: Iterable[FileInfo], source: Any) -> Any:
        infos = list(files)
        seen.append([info.path for info in infos])
        return await workspace.note(store, record, infos, source)

    monkeypatch.setattr(bringing, "note", note)
    return seen


async def test_all_files_of_a_request_are_noted_at_once(
    place: Place, model: ScriptedModel, notes: list[list[str]]
) -> None:
    container = await place.container()
    stored = [{"type": "input_file", "file_id": await stored_file(place, name)} for name in ("s", "t")]
    files = [*stored, given("a", b"old"), given("b", b"2"), given("a", b"new"), given("b", b"2")]
    tools = [{**PYTHON, "container": container.id}]
    model.script(run("import os; print(*sorted(os.listdir()), open('a').read())"), run("1"), say("There."))
    made = await place.ask(
        tools=tools, input=[{"role": "user", "content": files}], include=["code_interpreter_call.outputs"]
    )
    assert notes == [["s", "t", "a", "b"]]
    assert "a b s t new" in str(made.output[0])
    async with httpx2.AsyncClient(base_url=place.url) as http:
        listed = (await http.get(f"/v1/containers/{container.id}/files")).json()["data"]
    assert sorted(file["path"].rpartition("/")[2] for file in listed) == ["a", "b", "s", "t"]


async def test_what_came_before_a_file_that_cannot_be_written_is_noted_and_brought_once(
    place: Place, model: ScriptedModel, notes: list[list[str]]
) -> None:
    container = await place.container()
    tools = [{**PYTHON, "container": container.id}]
    model.script(run("import os; os.mkdir('d')"), say("Made."))
    await place.ask(tools=tools)
    files = [given("a", b"1"), given("d", b"2"), given("c", b"3")]
    model.script(run("1"), run("import os; os.rmdir('d')"), say("Hm."))
    await place.ask(tools=tools, input=[{"role": "user", "content": files}])
    assert notes == [["a"]]
