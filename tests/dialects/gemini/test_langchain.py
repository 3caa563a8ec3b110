"""LangChain's ChatGoogleGenerativeAI with its code execution tool, which replays what it was given without ids."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from google.genai.errors import ClientError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_google_genai.chat_models import GoogleInvalidRequestError

from tests.support.model import ScriptedModel, call, hang, say
from tests.support.picture import PNG, SHOW
from tests.support.responses import WEATHER, run, told

# It warns of every answer with code.
pytestmark = [
    pytest.mark.client("langchain-google-genai"),
    pytest.mark.filterwarnings(r"ignore:\s*Warning. Output may vary:UserWarning"),
]

Chat = Callable[..., Runnable[Any, AIMessage]]


@pytest.fixture
def chat(url: str) -> Chat:
    """Makes models with Python at hand."""

    def make(*tools: Any, **options: Any) -> Runnable[Any, AIMessage]:
        made: Any = {"model": "gemini-2.5-flash", "base_url": url, "api_key": "one", "max_retries": 1, **options}
        llm = ChatGoogleGenerativeAI(**made)
        return llm.bind_tools([{"code_execution": {}}, *tools])

    return make


def blocks(message: AIMessage) -> list[Any]:
    return list(message.content_blocks)


@pytest.mark.shows("answer")
def test_an_answer_has_its_code_in_it(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(6 * 7)", text="Let me see."), say("It is 42."))
    answer = chat().invoke("How much is it?")
    text, made, result, last = blocks(answer)
    assert (text["text"], last["text"]) == ("Let me see.", "It is 42.")
    assert (made["type"], made["name"]) == ("server_tool_call", "code_interpreter")
    assert made["args"]["code"] == "print(6 * 7)"
    assert (result["type"], result["output"], result["status"]) == ("server_tool_result", "42", "success")
    assert answer.usage_metadata is not None and answer.usage_metadata["total_tokens"] == 30


@pytest.mark.shows("stream")
def test_a_stream_adds_up_to_the_same(chat: Chat, model: ScriptedModel) -> None:
    slow = run("import time; time.sleep(0.5)\nprint(42)", text="Let me see.")  # it is silent for a while
    model.script(slow, say("There you are."))
    streamed: Any = reduce(add, chat().stream("How much is it?"))
    kinds = [block["type"] for block in blocks(streamed) if block.get("text") != ""]
    assert kinds == ["text", "server_tool_call", "server_tool_result", "text"]
    assert (
        "".join(block["text"] for block in blocks(streamed) if block["type"] == "text") == "Let me see.There you are."
    )


@pytest.mark.shows("state")
def test_the_second_turn_replays_the_first(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("x = 6\nprint(x)"), say("Six."), run("print(x * 7)"), say("42."))
    first = chat().invoke("Take six.")
    answer = chat().invoke([HumanMessage("Take six."), first, HumanMessage("Times seven?")])
    assert [block["output"] for block in blocks(answer) if block["type"] == "server_tool_result"] == ["42"]


@pytest.mark.shows("functions")
def test_a_tool_of_the_clients_beside_it(chat: Chat, model: ScriptedModel) -> None:
    model.script(
        call(("python", {"code": "x = 20"}), ("weather", {"city": "Ulm"})), run("print(x + 1)"), say("21 degrees.")
    )
    llm = chat({name: WEATHER[name] for name in ("name", "description", "parameters")})
    first = llm.invoke("How warm is it?")
    [made] = first.tool_calls
    assert (made["name"], made["args"]) == ("weather", {"city": "Ulm"})
    answer = ToolMessage("one more than x", tool_call_id=made["id"])
    second = llm.invoke([HumanMessage("How warm is it?"), first, answer])
    assert (second.text, second.tool_calls) == ("21 degrees.", [])
    assert told(model.requests[-1].body)[-2:] == ['{"output": "one more than x"}', "21"]


@pytest.mark.shows("files in")
def test_a_file_is_where_code_runs(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(open('file-1.csv').read())"), say("Read."))
    file = {"type": "file", "base64": base64.b64encode(b"1,2").decode(), "mime_type": "text/csv"}
    chat().invoke([HumanMessage([{"type": "text", "text": "Read it."}, file])])
    assert told(model.requests[-1].body) == ["1,2"]


@pytest.mark.shows("images")
def test_figures_are_blocks_of_the_answer(chat: Chat, model: ScriptedModel) -> None:
    model.script(run(SHOW), say("There."))
    answer = chat().invoke("Draw.")
    assert [block["base64"] for block in blocks(answer) if block["type"] == "image"] == [PNG]


@pytest.mark.shows("errors")
def test_what_is_refused_says_why(chat: Chat, model: ScriptedModel) -> None:
    with pytest.raises(GoogleInvalidRequestError, match="cachedContent") as caught:
        chat(cached_content="cachedContents/none").invoke("How much is it?")
    assert isinstance(caught.value.__cause__, ClientError) and caught.value.__cause__.code == 400
    assert model.requests == []


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    for chunk in chat().stream("How much is it?"):
        if chunk.text:
            break  # nobody holds the stream any more
    await model.wait_closed(1)
