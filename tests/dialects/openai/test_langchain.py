"""LangChain's ChatOpenAI, which asks for responses as soon as it has a tool of the server's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from openai import NotFoundError
from pydantic import SecretStr

from tests.support.model import ScriptedModel, call, hang, say
from tests.support.picture import PNG, SHOW
from tests.support.responses import OUTPUTS, PYTHON, WEATHER, run, told

pytestmark = pytest.mark.client("langchain-openai")

Chat = Callable[..., Runnable[Any, AIMessage]]


@pytest.fixture
def chat(url: str) -> Chat:
    """Makes models with Python at hand."""

    def make(*tools: Any, **options: Any) -> Runnable[Any, AIMessage]:
        llm = ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="one", max_retries=0, **options)
        return llm.bind_tools([PYTHON, *tools])

    return make


def kinds(message: AIMessage) -> list[str]:
    return [block["type"] for block in message.content_blocks]


@pytest.mark.shows("answer", "files out")
def test_an_answer_has_its_code_in_it(chat: Chat, model: ScriptedModel) -> None:
    model.script(
        run("n = open('a.csv', 'w').write('1')\nprint(6 * 7)", text="Let me see."), say("42: sandbox:/mnt/data/a.csv")
    )
    answer = chat(include=OUTPUTS).invoke("How much is it?")
    assert kinds(answer) == ["text", "server_tool_call", "server_tool_result", "text"]
    # Their types are known by now, though not to the type checker.
    blocks: list[Any] = list(answer.content_blocks)
    text, made, result, last = blocks
    assert (text["text"], last["text"]) == ("Let me see.", "42: sandbox:/mnt/data/a.csv")
    assert (made["name"], made["args"]) == (
        "code_interpreter",
        {"code": "n = open('a.csv', 'w').write('1')\nprint(6 * 7)"},
    )
    assert (result["status"], result["output"]) == ("success", [{"type": "logs", "logs": "42"}])
    citation = last["annotations"][0]
    assert citation["value"]["filename"] == "a.csv"
    assert citation["value"]["container_id"] == made["extras"]["container_id"]
    assert answer.response_metadata["status"] == "completed" and not answer.tool_calls
    assert answer.usage_metadata is not None and answer.usage_metadata["total_tokens"] == 30


@pytest.mark.shows("stream")
def test_a_stream_adds_up_to_the_same(chat: Chat, model: ScriptedModel) -> None:
    steps = [run("print(6 * 7)", text="Let me see."), say("There you are.")]
    model.script(*steps, *steps)
    llm = chat(include=OUTPUTS)
    whole = llm.invoke("How much is it?")
    chunks = list(llm.stream("How much is it?"))
    texts = [
        part["text"] for chunk in chunks for part in chunk.content if isinstance(part, dict) and part["type"] == "text"
    ]
    assert [text for text in texts if text] == ["Let me s", "ee.", "There yo", "u are."]
    streamed: Any = reduce(add, chunks)
    assert kinds(streamed) == kinds(whole)
    assert [block.get("text") for block in streamed.content_blocks] == [b.get("text") for b in whole.content_blocks]
    assert streamed.usage_metadata == whole.usage_metadata


async def test_the_asynchronous_stream(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("1"), say("It is one."))
    chunks = [chunk async for chunk in chat().astream("How much is it?")]
    assert reduce(add, chunks).text == "It is one."


@pytest.mark.parametrize(
    "options", [{}, {"use_previous_response_id": True}, {"store": False}, {"output_version": "v1"}]
)
@pytest.mark.shows("state")
def test_a_second_turn_goes_on_in_the_same_session(chat: Chat, model: ScriptedModel, options: dict[str, Any]) -> None:
    model.script(run("x = 41", text="First:"), say("Set."), run("print(x + 1)"), say("42."))
    llm = chat(**options)
    question = HumanMessage("Remember 41.")
    first = llm.invoke([question])
    second = llm.invoke([question, first, HumanMessage("One more?")])
    assert second.text == "42."
    # Nothing is known of what is not stored, and was not asked for either.
    output = "[no output is known]" if options == {"store": False} else "[no output]"
    assert told(model.requests[-1].body) == [output, "42"]
    before, after = model.requests[1].body["messages"], model.requests[2].body["messages"]
    if options != {"store": False}:
        # What the model has read it reads again to the letter, and its server has it cached.
        assert after[: len(before)] == before
    assert [message["content"] for message in after if message["role"] == "user"] == ["Remember 41.", "One more?"]


@pytest.mark.shows("functions")
def test_a_tool_of_the_clients_beside_it(chat: Chat, model: ScriptedModel) -> None:
    model.script(
        call(("python", {"code": "x = 20"}), ("weather", {"city": "Ulm"})), run("print(x + 1)"), say("21 degrees.")
    )
    function = {"type": "function", "function": {name: WEATHER[name] for name in ("name", "description", "parameters")}}
    llm = chat(function)
    first = llm.invoke("How warm is it?")
    [made] = first.tool_calls
    assert (made["name"], made["args"]) == ("weather", {"city": "Ulm"})
    second = llm.invoke(
        [HumanMessage("How warm is it?"), first, ToolMessage("one more than x", tool_call_id=made["id"])]
    )
    assert (second.text, second.tool_calls) == ("21 degrees.", [])
    assert told(model.requests[-1].body) == ["[no output]", "one more than x", "21"]


@pytest.mark.shows("files in", "images")
def test_a_file_is_where_code_runs_and_a_figure_in_its_outputs(chat: Chat, model: ScriptedModel) -> None:
    model.script(run(f"print(open('a.csv').read())\n{SHOW}"), say("There."))
    data = base64.b64encode(b"1,2").decode()
    file = {"type": "file", "base64": data, "mime_type": "text/csv", "filename": "a.csv"}
    answer = chat(include=OUTPUTS).invoke([HumanMessage([{"type": "text", "text": "Draw it."}, file])])
    [result] = [block for block in answer.content_blocks if block["type"] == "server_tool_result"]
    logs, figure = result["output"]
    assert (logs["logs"], figure["url"]) == ("1,2", f"data:image/png;base64,{PNG}")


@pytest.mark.shows("errors")
def test_what_is_refused_says_why(url: str, model: ScriptedModel) -> None:
    llm = ChatOpenAI(model="m", base_url=f"{url}/v1", api_key=SecretStr("one"), max_retries=0)
    with pytest.raises(NotFoundError, match="there is no container 'cntr_none'"):
        llm.bind_tools([PYTHON | {"container": "cntr_none"}]).invoke("How much is it?")
    assert model.requests == []


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    for chunk in chat().stream("How much is it?"):
        if chunk.text:
            break  # nobody holds the stream any more
    await model.wait_closed(1)
