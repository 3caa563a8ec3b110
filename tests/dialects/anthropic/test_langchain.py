"""LangChain's ChatAnthropic with Anthropic's code execution tool."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from anthropic import Anthropic, NotFoundError
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable

from tests.dialects.openai.programs import ONE
from tests.support.messages import BY_CODE, CODE, WEATHER
from tests.support.model import ScriptedModel, call, hang, say
from tests.support.picture import PNG, SHOW
from tests.support.responses import run, told

pytestmark = pytest.mark.client("langchain-anthropic")
Chat = Callable[..., Runnable[Any, AIMessage]]


@pytest.fixture
def chat(url: str) -> Chat:
    """Makes models with code at hand."""

    def make(*tools: Any, **options: Any) -> Runnable[Any, AIMessage]:
        made: Any = {"model": "m", "base_url": url, "api_key": "one", "max_retries": 0, "max_tokens": 1000, **options}
        return ChatAnthropic(**made).bind_tools([CODE, *tools])

    return make


def kinds(message: AIMessage) -> list[str]:
    return [block["type"] for block in message.content_blocks]


@pytest.mark.shows("answer")
def test_an_answer_has_its_code_in_it(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(6 * 7)", text="Let me see."), say("It is 42."))
    answer = chat().invoke("How much is it?")
    assert kinds(answer) == ["text", "server_tool_call", "server_tool_result", "text"]
    # Their types are known by now, though not to the type checker.
    blocks: list[Any] = list(answer.content_blocks)
    _, made, result, last = blocks
    assert (made["name"], made["args"]) == ("code_interpreter", {"code": "print(6 * 7)"})
    assert result["status"] == "success" and "42" in str(result["output"])
    assert last["text"] == "It is 42."
    assert answer.response_metadata["container"]["id"].startswith("cntr_")
    assert answer.usage_metadata is not None and answer.usage_metadata["total_tokens"] == 30


@pytest.mark.shows("stream")
def test_a_stream_adds_up_to_the_same(chat: Chat, model: ScriptedModel) -> None:
    steps = [run("print(6 * 7)", text="Let me see."), say("There you are.")]
    model.script(*steps, *steps)
    whole = chat().invoke("How much is it?")
    streamed: Any = reduce(add, chat().stream("How much is it?"))
    assert kinds(streamed) == kinds(whole)
    assert streamed.text == whole.text == "Let me see.There you are."
    assert streamed.usage_metadata == whole.usage_metadata


@pytest.mark.shows("state")
@pytest.mark.parametrize("options", [{}, {"reuse_last_container": True}], ids=["by its blocks", "by its name"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_conversation_goes_on_in_its_container(
    chat: Chat, model: ScriptedModel, options: Any, streamed: bool
) -> None:
    model.script(run("x = 40"), say("Well."), run("print(x + 2)"), say("42."))
    llm = chat(**options)
    first: Any = reduce(add, llm.stream("Set x.")) if streamed else llm.invoke("Set x.")
    second = llm.invoke([HumanMessage("Set x."), first, HumanMessage("And now?")])
    assert second.text == "42."
    assert told(model.requests[3].body) == ["[no output]", "42"]


@pytest.mark.shows("functions")
def test_the_clients_functions_are_called_beside_code(chat: Chat, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"}), ("weather", {"city": "Ulm"})), say("Rain."))
    llm = chat(WEATHER)
    first = llm.invoke("How is it?")
    [called] = first.tool_calls
    assert (called["name"], called["args"]) == ("weather", {"city": "Ulm"})
    history: list[BaseMessage] = [HumanMessage("How is it?"), first, ToolMessage("rain", tool_call_id=called["id"])]
    assert llm.invoke(history).text == "Rain."
    assert told(model.requests[1].body) == ["1", "rain"]


@pytest.mark.shows("code calls")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_code_calls_the_clients_functions(chat: Chat, model: ScriptedModel, streamed: bool) -> None:
    model.script(run(ONE), say("Rain."))
    llm = chat(BY_CODE)
    first: Any = reduce(add, llm.stream("How is it?")) if streamed else llm.invoke("How is it?")
    [called] = first.tool_calls
    history: list[BaseMessage] = [HumanMessage("How is it?"), first, ToolMessage("rain", tool_call_id=called["id"])]
    assert llm.invoke(history).text == "Rain."
    assert told(model.requests[1].body) == ["rain 42"]


async def test_the_asynchronous_stream(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("1"), say("It is one."))
    chunks = [chunk async for chunk in chat().astream("How much is it?")]
    assert reduce(add, chunks).text == "It is one."


@pytest.mark.shows("files in")
def test_files_are_where_code_runs(chat: Chat, anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("[open(name).read() for name in ('a.csv', 'document-1.csv')]"), say("Read."))
    uploaded = anthropic_client.files.upload(file=("a.csv", b"one"))
    inline = {"type": "file", "base64": base64.b64encode(b"two").decode(), "mime_type": "text/csv"}
    chat().invoke([HumanMessage([{"type": "container_upload", "file_id": uploaded.id}, inline])])
    assert told(model.requests[-1].body) == ["['one', 'two']"]


@pytest.mark.shows("files out", "images")
def test_figures_and_files_are_named_in_the_result(
    chat: Chat, anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(run(f"n = open('a.txt', 'w').write('made')\n{SHOW}"), say("There."))
    blocks: list[Any] = list(chat().invoke("Draw and write.").content_blocks)
    made = [each["file_id"] for each in blocks[1]["output"]["content"]]
    found = {anthropic_client.files.download(id).read() for id in made}
    assert found == {b"made", base64.b64decode(PNG)}


@pytest.mark.shows("errors")
def test_what_is_refused_says_why(chat: Chat, model: ScriptedModel) -> None:
    with pytest.raises(NotFoundError, match="there is no container 'cntr_none'"):
        chat(container="cntr_none").invoke("How much is it?")
    assert model.requests == []


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(chat: Chat, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    for chunk in chat().stream("How much is it?"):
        if chunk.text:
            break  # nobody holds the stream any more
    await model.wait_closed(1)
