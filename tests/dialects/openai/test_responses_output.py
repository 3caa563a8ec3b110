"""What code writes, shows and makes: live, in the outputs of its call, and as files that the answer cites."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from tests.support.model import ScriptedModel, call, say
from tests.support.responses import (
    PYTHON,
    WEATHER,
    ask,
    calls,
    cited,
    cited_by,
    deltas,
    logs,
    of_type,
    run,
    stream,
    streaming,
    told,
)

pytestmark = pytest.mark.client("openai")

PNG = b"\x89PNG\r\n\x1a\n"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def content(client: OpenAI, citation: dict[str, Any]) -> bytes:
    """The content of a file that is cited."""
    ids = {"container_id": citation["container_id"], "file_id": citation["file_id"]}
    return client.containers.files.content.retrieve(**ids).read()


def test_output_is_there_while_the_code_runs(client: OpenAI, model: ScriptedModel) -> None:
    code = """
import os, sys, time
print("begun")
print("and waiting", file=sys.stderr, flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
print("ended")
"""
    model.script(run(code), say("Done."))
    heard: list[tuple[str, str]] = []
    events: list[Any] = []
    with streaming(client) as coming:
        for event in coming:
            events.append(event)
            if event.type == "insitu.output.delta":
                heard.append((event.stream, event.delta))
                if len(heard) == 2:
                    # Until this file is there the code does not end.
                    client.containers.files.create(events[2].item.container_id, file=("go", b""))
    assert sorted(heard[:2]) == [("stderr", "and waiting\n"), ("stdout", "begun\n")]
    assert heard[2:] == [("stdout", "ended\n")]
    assert logs(events[-1].response) == ["begun\nended\nand waiting"]


def test_output_without_line_breaks_and_in_many_pieces_is_whole(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("for n in range(300):\n    print('ä', n, end=';', flush=True)"), say("Done."))
    events = stream(client)
    assert (
        deltas(events, "insitu.output.delta") == "".join(f"ä {n};" for n in range(300)) == logs(events[-1].response)[0]
    )


def test_long_output_is_whole_for_the_client_and_clipped_for_the_model(client: OpenAI, model: ScriptedModel) -> None:
    model.script(
        run("print('a' * 30_000 + 'b' * 30_000)"),
        lambda body: run(f"len(open({told(body)[0].split('all of it is in ')[1].split()[0]!r}).read())"),
        say("Done."),
    )
    response = ask(client)
    assert logs(response) == ["a" * 30_000 + "b" * 30_000, "60000"]
    shown = told(model.requests[1].body)[0]
    assert shown.startswith("a" * 15_000 + "\n[… 40000 characters left out; all of it is in /mnt/data/.insitu/output-")
    assert shown.endswith(".txt …]\n" + "b" * 5_000)
    # It is none of the files that the code has made.
    assert cited(response) == []


@pytest.mark.shows("images")
def test_a_figure_is_an_image_and_a_file(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(PLOT), run(f"open('figure-2.png', 'w').write('mine')\n{PLOT}"), say("There."))
    response = ask(client)
    urls = [output.url for made in calls(response) for output in made.outputs if output.type == "image"]
    images = [base64.b64decode(url.removeprefix("data:image/png;base64,"), validate=True) for url in urls]
    assert [image[:8] for image in images] == [PNG, PNG]
    # A file of that name is not written over.
    assert [each["filename"] for each in cited(response)] == ["figure-1.png", "figure-2.png", "figure-3.png"]
    assert [content(client, each) for each in cited(response)] == [images[0], b"mine", images[1]]
    assert "[1 figure shown to the user]" in told(model.requests[1].body)[0]
    assert all(isinstance(message["content"], str) for message in model.requests[-1].body["messages"])


def test_a_model_that_sees_is_shown_the_figure(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(PLOT), say("A line."))
    response = ask(client, model="gpt-4o-mini")
    [url] = [output.url for output in calls(response)[0].outputs if output.type == "image"]
    assert model.requests[1].body["messages"][-1] == {
        "role": "user",
        "content": [
            {"type": "text", "text": "[the figures that the code has shown]"},
            {"type": "image_url", "image_url": {"url": url}},
        ],
    }


LINKED = "Grüße 🎉 an 世界: [hier](sandbox:/mnt/data/a.csv), und [dort](sandbox:/mnt/data/out/b%20c.csv). Fertig 👍"


@pytest.mark.shows("files out")
def test_links_to_files_are_cited_where_they_stand(client: OpenAI, model: ScriptedModel) -> None:
    code = "import os; os.mkdir('out'); open('a.csv', 'w').write('1,2'); open('out/b c.csv', 'w').write('3')"
    model.script(run(code), say(LINKED))
    events = stream(client)
    first, second = cited(events[-1].response)
    added = of_type(events, "output_text.annotation.added")
    assert [event.model_dump()["annotation"] for event in added] == [first, second]
    assert [event.annotation_index for event in added] == [0, 1]
    assert [each["filename"] for each in (first, second)] == ["a.csv", "b c.csv"]
    assert LINKED[first["start_index"] : first["end_index"]] == "sandbox:/mnt/data/a.csv"
    assert LINKED[second["start_index"] : second["end_index"]] == "sandbox:/mnt/data/out/b%20c.csv"
    assert [each["type"] for each in (first, second)] == ["container_file_citation"] * 2
    assert {each["container_id"] for each in (first, second)} == {calls(events[-1].response)[0].container_id}
    assert [content(client, each) for each in (first, second)] == [b"1,2", b"3"]
    assert told(model.requests[1].body)[0].endswith(
        "[files written: /mnt/data/a.csv (3 bytes), /mnt/data/out/b c.csv (1 bytes)]"
    )


def test_files_that_are_not_linked_are_cited_at_the_end(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("open('a.csv', 'w').write('1'); open('b.csv', 'w').write('2')"), say("Voilà: 🎉"))
    response = ask(client)
    assert [(each["filename"], each["start_index"], each["end_index"]) for each in cited(response)] == [
        ("a.csv", 8, 8),
        ("b.csv", 8, 8),
    ]
    assert [content(client, each) for each in cited(response)] == [b"1", b"2"]


@pytest.mark.parametrize(
    "text",
    [
        "It is (sandbox:/mnt/data/a.csv), see sandbox:/mnt/data/a.csv.",
        "**sandbox:/mnt/data/a.csv** and `sandbox:/mnt/data/a.csv`; not sandbox:/mnt/data/none.csv",
    ],
)
def test_a_file_that_is_linked_twice_is_cited_twice_and_not_again(
    client: OpenAI, model: ScriptedModel, text: str
) -> None:
    model.script(run("open('a.csv', 'w').write('1')"), run("open('a.csv', 'w').write('22')"), say(text))
    response = ask(client)
    spans = [text[each["start_index"] : each["end_index"]] for each in cited(response)]
    assert spans == ["sandbox:/mnt/data/a.csv"] * 2
    assert len({each["start_index"] for each in cited(response)}) == 2
    assert len({each["file_id"] for each in cited(response)}) == 1
    assert content(client, cited(response)[0]) == b"22"


def test_a_file_of_an_earlier_turn_is_cited_only_where_it_is_linked(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("open('a.csv', 'w').write('1')"), say("Made."), say("As I said."), say("sandbox:/mnt/data/a.csv"))
    first = ask(client)
    second = ask(client, previous_response_id=first.id)
    third = ask(client, previous_response_id=second.id)
    assert cited(second) == []
    assert [(each["file_id"], each["start_index"], each["end_index"]) for each in cited(third)] == [
        (cited(first)[0]["file_id"], 0, 23)
    ]


def test_files_that_are_gone_when_the_model_answers_are_not_cited(client: OpenAI, model: ScriptedModel) -> None:
    model.script(
        run("open('kept.txt', 'w').write('1'); open('gone.txt', 'w').write('1')"),
        run("import os; os.remove('gone.txt')"),
        say("One is left."),
    )
    assert [each["filename"] for each in cited(ask(client))] == ["kept.txt"]


def test_links_of_messages_between_calls_are_cited_and_not_again(client: OpenAI, model: ScriptedModel) -> None:
    writing = "open('a.csv', 'w').write('1'); open('b.csv', 'w').write('2')"
    model.script(
        run(writing),
        run("open('c.csv', 'w').write('3')", text="So far: sandbox:/mnt/data/a.csv."),
        call(("weather", {"city": "Ulm"}), text="And sandbox:/mnt/data/b.csv."),
        run("1", text="Again: sandbox:/mnt/data/a.csv"),
        say("Done."),
    )
    tools = [PYTHON, WEATHER]
    first = ask(client, tools=tools)
    function = first.output[-1]
    assert function.type == "function_call"
    output = {"type": "function_call_output", "call_id": function.call_id, "output": "rain"}
    second = ask(client, tools=tools, input=[output], previous_response_id=first.id)
    messages = [item for each in (first, second) for item in each.output if item.type == "message"]
    named = [[each["filename"] for each in cited_by(message)] for message in messages]
    assert named == [["a.csv"], ["b.csv"], ["a.csv"], ["c.csv"]]


def test_a_file_that_a_clients_function_separates_from_the_answer_is_cited(
    client: OpenAI, model: ScriptedModel
) -> None:
    model.script(
        run("open('a.csv', 'w').write('1')"), call(("weather", {"city": "Ulm"})), say("[a](sandbox:/mnt/data/a.csv)")
    )
    tools = [PYTHON, WEATHER]
    first = ask(client, tools=tools)
    function = first.output[-1]
    assert function.type == "function_call"
    output = {"type": "function_call_output", "call_id": function.call_id, "output": "rain"}
    second = ask(client, tools=tools, input=[output], previous_response_id=first.id)
    assert [(each["filename"], each["start_index"]) for each in cited(second)] == [("a.csv", 4)]
    assert content(client, cited(second)[0]) == b"1"


def test_a_file_is_the_owners_alone(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(run("open('a.csv', 'w').write('1')"), say("Made."))
    [citation] = cited(ask(client))
    with pytest.raises(NotFoundError):
        content(stranger, citation)


def test_what_was_made_can_be_fetched_when_the_container_is_gone(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel, tmp_path: Any
) -> None:
    client = connect(serve(data_dir=tmp_path))
    model.script(run("open('a.csv', 'w').write('1')"), say("Made."))
    [citation] = cited(ask(client))
    sessions = client.get("/sessions", cast_to=dict[str, Any])["sessions"]
    assert len(sessions) == 1
    client.delete(f"/sessions/{sessions[0]['id']}", cast_to=object)
    assert client.containers.retrieve(citation["container_id"]).status == "expired"
    assert content(client, citation) == b"1"
