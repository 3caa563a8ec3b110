"""Functions of the client's own that code calls, in chat completions: tool calls that the next request answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.chat import ChatCompletion

from insitu.settings import Settings
from tests.dialects.openai.programs import GATHER, GONE, ONE, TWICE
from tests.support.chat import PYTHON, QUESTION, WEATHER, ask, deltas, insitu, said, steps, stream
from tests.support.model import ScriptedModel, call, say
from tests.support.responses import run, told
from tests.support.serving import serving

pytestmark = pytest.mark.client("openai", "chat completions")

BY_CODE = {**WEATHER, "allowed_callers": ["code_interpreter"]}
TOOLS = [PYTHON, BY_CODE]


class Talk:
    """A conversation as a client has it that sends back what it was given, and answers what it can."""

    def __init__(self, client: OpenAI, *, whole: bool = True) -> None:
        self.messages: list[Any] = [QUESTION]
        self.pending: dict[str, str] = {}
        self._client = client
        self._whole = whole

    def ask(self, **asked: Any) -> ChatCompletion:
        """Ask for the next message, and add it."""
        completion = ask(self._client, **{"tools": TOOLS, "messages": self.messages, **asked})
        message = completion.choices[0].message.to_dict()
        if not self._whole:
            message.pop("insitu")  # as LangChain and the AI SDK do
        self.messages.append(message)
        calls: list[Any] = list(completion.choices[0].message.tool_calls or ())
        self.pending = {json.loads(each.function.arguments)["city"]: each.id for each in calls}
        return completion

    def answer(self, **by_city: str) -> None:
        """Answer calls of those whose city is named."""
        for city, answer in by_city.items():
            self.messages.append({"role": "tool", "tool_call_id": self.pending[city], "content": answer})


@pytest.mark.shows("code calls")
@pytest.mark.parametrize("whole", [True, False])
def test_code_pauses_and_the_same_execution_goes_on(client: OpenAI, model: ScriptedModel, whole: bool) -> None:
    model.script(run(ONE), run("x + 3"), say("Rain."), run("x"), say("Yes."))
    talk = Talk(client, whole=whole)
    first = talk.ask()
    [choice] = first.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert [step["outcome"] for step in steps(first)] == ["paused"]
    talk.answer(Ulm="rain")
    second = talk.ask()
    assert (said(second), second.choices[0].finish_reason) == ("Rain.", "stop")
    assert [(step["code"], step["stdout"], step["results"]) for step in steps(second)] == [
        (ONE, "rain 42\n", []),
        ("x + 3", "", ["43"]),
    ]
    assert [each["name"] for each in steps(second)[0]["tools_called"]] == ["weather"]
    assert steps(second)[0]["id"] == steps(first)[0]["id"]
    talk.messages.append({"role": "user", "content": "Really?"})
    third = talk.ask()
    assert (said(third), insitu(third)["container_id"]) == ("Yes.", insitu(first)["container_id"])
    asked, resumed, _, later, _ = [received.body["messages"] for received in model.requests]
    assert (resumed[: len(asked)], told({"messages": resumed})) == (asked, ["rain 42"])
    assert [message["role"] for message in later] == ["user", "assistant", "tool", "assistant", "user"]
    assert later[1:3] == resumed[1:3]


def test_it_is_the_same_streamed(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    asked: Any = {"model": "m", "tools": TOOLS, "messages": [QUESTION]}
    with client.chat.completions.stream(**asked) as events:
        first = events.get_final_completion().choices[0]
    assert first.finish_reason == "tool_calls"
    [made] = list(first.message.tool_calls or ())
    history = [QUESTION, first.message, {"role": "tool", "tool_call_id": made.id, "content": "rain"}]
    said_and_done = [each.get("insitu") or {} for each in deltas(stream(client, tools=TOOLS, messages=history))]
    assert [each["type"] for each in said_and_done if each] == [
        "step.started",
        "code.delta",
        "output.delta",
        "step.done",
        "turn.done",
    ]
    assert told(model.requests[1].body) == ["rain 42"]


def test_what_is_not_answered_is_asked_for_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(GATHER), say("Done."), say("Yes."))
    talk = Talk(client)
    talk.ask()
    assert set(talk.pending) == {"Ulm", "Rom", "Oslo"}
    talk.answer(Rom="sun")
    assert steps(talk.ask()) == []
    assert set(talk.pending) == {"Ulm", "Oslo"}
    talk.answer(Ulm="4", Oslo='{"snow": 3}')
    last = talk.ask()
    assert (said(last), steps(last)[0]["stdout"]) == ("Done.", "[4, 'sun', {'snow': 3}]\n")
    talk.messages.append({"role": "user", "content": "Really?"})
    talk.ask()
    roles = [message["role"] for message in model.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_code_that_calls_again_pauses_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(TWICE), run(TWICE), say("Done."), say("Yes."))
    talk = Talk(client)
    for _ in range(2):
        talk.ask()
        talk.answer(Ulm="Rom")
        talk.ask()
        talk.answer(Rom="sun")
    assert said(talk.ask()) == "Done."
    talk.messages.append({"role": "user", "content": "Really?"})
    assert said(talk.ask()) == "Yes."
    for received in model.requests[2:]:
        assert told(received.body) == ["sun", "sun"]
    roles = [message["role"] for message in model.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant", "user"]


def test_calls_of_both_go_to_the_client_at_once(client: OpenAI, model: ScriptedModel) -> None:
    tools = [PYTHON, {**WEATHER, "allowed_callers": ["direct", "code_interpreter"]}]
    model.script(call(("python", {"code": ONE}), ("weather", {"city": "Rom"})), say("Done."))
    talk = Talk(client)
    talk.ask(tools=tools)
    talk.answer(Ulm="rain", Rom="sun")
    assert said(talk.ask(tools=tools)) == "Done."
    assert sorted(told(model.requests[1].body)) == ["rain 42", "sun"]
    assert "allowed_callers" not in json.dumps(model.requests[0].body)


def test_a_request_that_is_sent_again_runs_nothing_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(f"n = globals().get('n', 0) + 1\n{ONE}\nprint(n)"), say("Done."), say("Done again."))
    talk = Talk(client)
    talk.ask()
    talk.answer(Ulm="rain")
    history = list(talk.messages)
    first = talk.ask()
    assert (said(first), steps(first)[0]["stdout"]) == ("Done.", "rain 42\n1\n")
    again = ask(client, tools=TOOLS, messages=history)
    assert (said(again), steps(again)) == ("Done again.", [])
    assert told(model.requests[1].body) == told(model.requests[2].body) == ["rain 42\n1"]


def test_without_an_answer_it_is_refused(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Done."))
    talk = Talk(client)
    talk.ask()
    unanswered = [*talk.messages, {"role": "user", "content": "Never mind."}]
    with pytest.raises(BadRequestError, match=f"No tool message found for the call {talk.pending['Ulm']}"):
        ask(client, tools=TOOLS, messages=unanswered)
    talk.answer(Ulm="rain")
    assert steps(talk.ask())[0]["stdout"] == "rain 42\n"


def test_it_is_nothing_to_another_owner(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Who?"), say("Done."))
    talk = Talk(client)
    talk.ask()
    talk.answer(Ulm="rain")
    assert said(ask(stranger, tools=TOOLS, messages=talk.messages)) == "Who?"
    assert told(model.requests[1].body) == ["rain"]
    assert steps(talk.ask())[0]["stdout"] == "rain 42\n"


def test_a_server_that_has_started_anew_says_that_the_code_is_gone(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    same = settings()
    model.script(run(ONE), say("Sorry."))
    with serving(same) as url:
        talk = Talk(connect(url))
        talk.ask()
    talk.answer(Ulm="rain")
    with serving(same) as url:
        assert said(ask(connect(url), tools=TOOLS, messages=talk.messages)) == "Sorry."
    assert told(model.requests[1].body)[0].startswith(GONE)


def test_callers_that_nobody_knows_are_refused(client: OpenAI) -> None:
    wrong: list[Any] = ["code_interpreter", ["model"], [1], {}]
    for callers in wrong:
        with pytest.raises(BadRequestError) as caught:
            ask(client, tools=[PYTHON, {**WEATHER, "allowed_callers": callers}])
        assert caught.value.param == "tools[1].allowed_callers"
