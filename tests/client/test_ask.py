"""Questions to a model, by the client of a real server whose model is scripted."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

import insitu
from tests.client.conftest import KEY, SMALL
from tests.support.model import ScriptedModel, broken, call, fail, hang, say
from tests.support.responses import run
from tests.support.serving import serving

PNG = b"\x89PNG\r\n\x1a\n-"
SHOW_PNG = f"""
class Figure:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {{"image/png": "{base64.b64encode(PNG).decode()}", "text/plain": "<figure>"}}
Figure()
"""


@pytest.fixture(scope="module")
def asked(the_model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a model."""
    others = {"data_dir": tmp_path_factory.mktemp("data"), "upstream": the_model.url}
    with serving(SMALL.model_copy(update=others)) as address:
        yield address


@pytest.fixture
def client(asked: str) -> Iterator[insitu.Client]:
    with insitu.Client(asked, KEY) as made:
        yield made


@pytest.fixture
async def async_client(asked: str) -> AsyncIterator[insitu.AsyncClient]:
    async with insitu.AsyncClient(asked, KEY) as made:
        yield made


def test_the_answer_has_text_steps_and_usage(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(run("print('a')\n40 + 2", text="I compute."), say("It is 42."))
    answer = client.ask("How much is it?")
    assert (answer.status, answer.ok, answer.reason, answer.model) == ("completed", True, None, "scripted")
    assert answer.text == "I compute.\n\nIt is 42."
    assert [(step.code, step.output, step.images, step.status) for step in answer.steps] == [
        ("print('a')\n40 + 2", "a\n42", (), "completed")
    ]
    assert answer.usage == insitu.TokenUsage(20, 10, 30)


def test_events_come_in_order_and_make_up_the_answer(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(
        run("import sys; print('a'); print('b', file=sys.stderr)\n40 + 2", text="I compute."),
        run("1/0"),
        say("It is 42."),
    )
    events = list(client.ask_stream("How much is it?"))
    answer = events[-1].answer
    assert answer
    assert [event.seq for event in events] == list(range(len(events)))
    order = [(event.kind, event.index) for event in events]
    assert list(dict.fromkeys(order)) == [
        ("text", None),
        ("code", 0),
        ("output", 0),
        ("step", 0),
        ("code", 1),
        ("output", 1),
        ("step", 1),
        ("finished", None),
    ]
    assert "".join(event.text for event in events if event.kind == "text") == answer.text
    assert [event.step for event in events if event.kind == "step"] == list(answer.steps)
    for index, step in enumerate(answer.steps):
        assert "".join(event.text for event in events if (event.kind, event.index) == ("code", index)) == step.code
    said = [(event.stream, event.text) for event in events if (event.kind, event.index) == ("output", 0)]
    assert said == [("stdout", "a\n"), ("stderr", "b\n"), ("result", "42")]
    [(stream, traceback)] = [(e.stream, e.text) for e in events if (e.kind, e.index) == ("output", 1)]
    assert (stream, traceback) == ("result", answer.steps[1].output)
    assert traceback.endswith("ZeroDivisionError: division by zero")


def test_listeners_hear_text_code_and_output(client: insitu.Client, model: ScriptedModel) -> None:
    text, code, output = list[str](), list[str](), list[str]()
    model.script(run("print('a')\n1"), say("Done."))
    answer = client.ask("?", on_text=text.append, on_code=code.append, on_output=output.append)
    assert ("".join(text), "".join(code), "".join(output)) == ("Done.", "print('a')\n1", "a\n1")
    assert answer.text == "Done."


def test_files_are_where_the_model_is_told_they_are(
    client: insitu.Client, model: ScriptedModel, tmp_path: Path
) -> None:
    (tmp_path / "local.csv").write_text("from a path", "utf-8")
    model.script(run("print(open('a.txt').read() + open('/mnt/data/my b.csv').read())"), say("Read."))
    answer = client.ask("What is in them?", files={"a.txt": "text, ", "my b.csv": tmp_path / "local.csv"})
    assert answer.steps[0].output == "text, from a path"
    told = "[the user's file a.txt is /mnt/data/a.txt]\n[the user's file my b.csv is /mnt/data/my b.csv]"
    assert model.requests[-2].body["messages"] == [{"role": "user", "content": f"What is in them?\n{told}"}]


@pytest.mark.parametrize("name", ["", "a/b.csv", "a\\b.csv", 'a".csv', "a\r\nb.csv"])
def test_a_file_has_a_name_without_folders(client: insitu.Client, name: str) -> None:
    with pytest.raises(insitu.InvalidRequest, match="a file cannot be named"):
        client.ask("?", files={name: "x"})


def test_a_question_follows_an_answer(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(run("x = 41"), say("Set."), run("x + 1"), say("42."), say("Yes."))
    first = client.ask("Set x.", files={"a.txt": "a"})
    second = client.ask("And one more?", previous=first)
    assert second.steps[0].output == "42"
    assert client.ask("Sure?", previous=second.id).text == "Yes."
    contents = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "user"]
    assert contents == ["Set x.\n[the user's file a.txt is /mnt/data/a.txt]", "And one more?", "Sure?"]


def test_a_previous_answer_that_is_gone_is_the_callers_error(client: insitu.Client) -> None:
    with pytest.raises(insitu.CallerError, match="Previous response with id 'resp_0' not found"):
        client.ask("?", previous="resp_0")


def test_instructions_and_model_reach_the_model(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(say("Bien."))
    client.ask("How are you?", instructions="Speak French.", model="another")
    body = model.requests[-1].body
    assert (body["model"], body["messages"][0]) == ("another", {"role": "system", "content": "Speak French."})


def test_without_a_model_behind_the_server_the_error_says_what_to_do(client: insitu.Client, url: str) -> None:
    with insitu.Client(url, KEY) as lonely, pytest.raises(insitu.NotFound) as caught:
        lonely.ask("?")
    assert caught.value.message == f"the server at {url} has no model"
    assert str(caught.value.hint).startswith("start it with --upstream URL")


def test_a_guard_makes_the_answer_incomplete(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(run("1"), run("2", text="I go on."))
    answer = client.ask("?", max_steps=2)
    assert (answer.status, answer.ok, answer.reason) == ("incomplete", False, "max_steps")
    assert answer.text == "I go on."
    assert len(model.requests) == 3  # one for the name of the model


def test_a_turn_that_breaks_off_is_an_exception(client: insitu.Client, model: ScriptedModel) -> None:
    heard: list[str] = []
    model.script(run("1"), broken(say("Let me think."), after=2))
    with pytest.raises(insitu.AnswerFailed, match="model server"):
        client.ask("?", on_text=heard.append)
    assert "".join(heard) == "Let me t"


def test_what_the_model_server_refuses_is_an_exception(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "no such model", "type": "invalid_request_error"}}))
    with pytest.raises(insitu.UpstreamRefused, match="no such model"):
        client.ask("?", model="nonsense")


async def test_closing_the_stream_cancels_the_turn(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(hang(say("Let me think."), after=2))
    with closing(client.ask_stream("?", model="m")) as events:
        assert next(events).text == "Let me t"
    await model.wait_closed(0)


async def test_a_twin_that_leaves_cancels_the_turn(async_client: insitu.AsyncClient, model: ScriptedModel) -> None:
    model.script(hang(say("Let me think."), after=2))
    async with aclosing(async_client.ask_stream("?", model="m")) as events:
        async for event in events:
            assert event.text == "Let me t"
            break
    await model.wait_closed(0)


def test_files_that_code_makes_can_be_read_and_saved(
    client: insitu.Client, model: ScriptedModel, tmp_path: Path
) -> None:
    model.script(run(f"open('out.txt', 'w').write('made')\n{SHOW_PNG}"), say("See sandbox:/mnt/data/out.txt"))
    answer = client.ask("Make a file.")
    assert [(file.name, file.size) for file in answer.files] == [("out.txt", 4), ("figure-1.png", len(PNG))]
    assert answer.images == (PNG,)
    assert (answer.read("out.txt"), answer.read(answer.files[1])) == (b"made", PNG)
    assert answer.save(tmp_path / "new") == [tmp_path / "new/out.txt", tmp_path / "new/figure-1.png"]
    assert (tmp_path / "new/figure-1.png").read_bytes() == PNG
    with pytest.raises(insitu.NotFound, match="the answer has no file 'nope'") as caught:
        answer.read("nope")
    assert caught.value.hint == "it has: out.txt, figure-1.png"


def test_saving_writes_over_nothing_and_downloading_where_it_is_told(
    client: insitu.Client, model: ScriptedModel, tmp_path: Path
) -> None:
    (tmp_path / "out.txt").write_text("mine", "utf-8")
    model.script(run("open('out.txt', 'w').write('made')"), say("Made."))
    answer = client.ask("Make a file.")
    assert answer.save(tmp_path) == [tmp_path / "out-1.txt"]
    assert answer.save(tmp_path) == [tmp_path / "out-2.txt"]
    assert (tmp_path / "out.txt").read_text("utf-8") == "mine"
    assert answer.download("out.txt", tmp_path) == tmp_path / "out.txt"
    assert (tmp_path / "out.txt").read_text("utf-8") == "made"


def test_no_name_leads_out_of_the_folder_or_is_read_by_a_shell(
    client: insitu.Client, model: ScriptedModel, tmp_path: Path
) -> None:
    names = ["..\\..\\up.txt", ".bashrc", "C:evil.txt", "\x1b[2Jscreen.txt", "...", "-rf", "--"]
    model.script(run(f"for name in {names!r}: open(name, 'w').write(name)"), say("Made."))
    answer = client.ask("Make files.")
    assert sorted(file.name for file in answer.files) == sorted(names)
    saved = [path.relative_to(tmp_path / "in") for path in answer.save(tmp_path / "in")]
    assert sorted(map(str, saved)) == ["[2Jscreen.txt", "bashrc", "evil.txt", "file", "file-1", "rf", "up.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_that_cannot_be_saved_leaves_nothing(
    client: insitu.Client, model: ScriptedModel, tmp_path: Path
) -> None:
    model.script(run("open('out.txt', 'w').write('made')"), say("Made."))
    answer = client.ask("Make a file.")
    client.close()
    with pytest.raises(insitu.EngineClosed):
        answer.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_json_and_html(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(run(f"print('<b>')\n{SHOW_PNG}"), say("<script>"))
    answer = client.ask("?")
    image = base64.b64encode(PNG).decode()
    assert answer.to_dict()["steps"][0]["images"] == [image]
    html = answer._repr_html_()
    assert f'<img alt="figure" src="data:image/png;base64,{image}">' in html
    assert ("&lt;b&gt;" in html, "&lt;script&gt;" in html, "<script>" in html) == (True, True, False)


async def test_the_twin_for_event_loops_does_all_of_it(
    async_client: insitu.AsyncClient, model: ScriptedModel, tmp_path: Path
) -> None:
    heard: list[str] = []

    async def listen(text: str) -> None:
        heard.append(text)

    model.script(run("open('out.txt', 'w').write(open('a.txt').read() * 2)"), say("Made."))
    answer = await async_client.ask("Double it.", files={"a.txt": b"ha"}, on_text=listen)
    assert ("".join(heard), answer.text) == ("Made.", "Made.")
    assert (await answer.read("out.txt"), answer.files[0].size) == (b"haha", 4)
    assert await answer.save(tmp_path) == [tmp_path / "out.txt"]
    assert await answer.save(tmp_path) == [tmp_path / "out-1.txt"]
    model.script(say("Yes."))
    assert (await async_client.ask("Sure?", previous=answer)).text == "Yes."


def test_code_that_could_not_run_is_a_failed_step(client: insitu.Client, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": 1}')), say("Sorry."))
    answer = client.ask("?")
    assert [(step.status, step.output.startswith("[not run: ")) for step in answer.steps] == [("failed", True)]
