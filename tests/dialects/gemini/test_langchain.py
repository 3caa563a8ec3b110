"""LangChain's ChatGoogleGenerativeAI with its code execution tool, which replays what it was given without ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable
from langchain_google_genai import ChatGoogleGenerativeAI

from tests.support.model import ScriptedModel, say
from tests.support.responses import run

# It warns of every answer with code.
pytestmark = [
    pytest.mark.client("langchain-google-genai"),
    pytest.mark.filterwarnings(r"ignore:\s*Warning. Output may vary:UserWarning"),
]

Chat = Callable[..., Runnable[Any, AIMessage]]


@pytest.fixture
def chat(url: str) -> Chat:
    """Makes models with Python at hand."""

    def make(*tools: Any) -> Runnable[Any, AIMessage]:
        llm = ChatGoogleGenerativeAI(model="gemini-2.5-flash", base_url=url, api_key="one", max_retries=1)
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
