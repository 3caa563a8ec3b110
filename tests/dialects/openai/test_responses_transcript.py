"""What is stored of a response, and what clients send again, is the transcript that the model itself has written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai.types.responses import Response

from tests.support.model import ScriptedModel, call, reason, say
from tests.support.responses import PYTHON, WEATHER, ask, calls
from tests.support.steps import Json, Step

TOOLS = [PYTHON, WEATHER]
TEXTS = st.sampled_from(["", "Let me see.", "Grüße 🎉\n", "a\n\nb", "```python\n1\n```"])
CODES = ["1", "x = 1", "print('ä\\n')", "1/0", "", "import sys; sys.stderr.write('e')", "'''\"\\\\\n'''"]
PARTS = st.one_of(
    st.sampled_from(CODES).map(lambda code: ("python", {"code": code})),
    st.sampled_from(["Ulm", "Köln"]).map(lambda city: ("weather", {"city": city})),
)
THOUGHTS = st.sampled_from(["", "Hm."])
MIDDLE = st.tuples(THOUGHTS, TEXTS, st.lists(st.sampled_from(CODES), min_size=1, max_size=3, unique=True))
LAST = st.tuples(
    THOUGHTS, TEXTS, st.lists(PARTS, max_size=4).filter(lambda p: not p or any(n == "weather" for n, _ in p))
)


def step(thought: str, text: str, made: list[tuple[str, Json | str]]) -> Step:
    spoken = call(*made, text=text) if made else say(text)
    return reason(thought, spoken) if thought else spoken


def plain(messages: list[Json]) -> list[Json]:
    """Messages with arguments as objects, and without thoughts: these are read again only while the turn goes on."""
    read = []
    for message in messages:
        shown = {name: value for name, value in message.items() if not name.startswith("reasoning")}
        if "tool_calls" in shown:
            shown["tool_calls"] = [
                (made["id"], made["function"]["name"], json.loads(made["function"]["arguments"]))
                for made in shown["tool_calls"]
            ]
        read.append(shown)
    return read


def outputs_of(response: Response) -> list[Json]:
    """What the client's functions give back."""
    made = [item for item in response.output if item.type == "function_call"]
    return [{"type": "function_call_output", "call_id": each.call_id, "output": "rain"} for each in made]


def said(messages: list[Json]) -> tuple[str, list[tuple[str, Json]]]:
    """All that the model has written: text, and calls."""
    own = [message for message in messages if message["role"] == "assistant"]
    made = [(name, arguments) for each in own for _, name, arguments in each.get("tool_calls", ())]
    return "".join(message["content"] for message in own), made


def outputs_follow(messages: list[Json]) -> bool:
    """Whether each call has its output right behind it, in the order of the calls."""
    for place, message in enumerate(messages, 1):
        ids = [made[0] for made in message.get("tool_calls", ())]
        behind = messages[place : place + len(ids)]
        if [(each["tool_call_id"], bool(each["content"])) for each in behind] != [(its, True) for its in ids]:
            return False
    return True


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MIDDLE, max_size=3), LAST, st.booleans())
def test_the_model_reads_again_what_it_has_said_and_was_told(
    client: OpenAI, model: ScriptedModel, middle: list[Any], last: Any, replayed: bool
) -> None:
    # At the third the model gets a hint as well, which belongs to that turn.
    assume([code for _, _, codes in middle for code in codes].count("1/0") < 3)
    steps = [*((thought, text, [("python", {"code": c}) for c in codes]) for thought, text, codes in middle), last]
    model.forget()
    model.script(*(step(*each) for each in steps), say("And on."))
    first = ask(client, tools=TOOLS)
    before = plain(model.requests[-1].body["messages"])
    more = [*outputs_of(first), {"role": "user", "content": "More."}]
    if replayed:
        items = [item.model_dump(exclude_none=True) for item in first.output]
        ask(client, tools=TOOLS, input=[{"role": "user", "content": "How much is it?"}, *items, *more])
    else:
        ask(client, tools=TOOLS, input=more, previous_response_id=first.id)
    found = plain(model.requests[-1].body["messages"])
    assert said(found) == ("".join(text for _, text, _ in steps), [made for *_, calls in steps for made in calls])
    assert outputs_follow(found)
    assert (found[0]["content"], found[-1]["content"]) == ("How much is it?", "More.")
    assert found[: len(before)] == before


def asked(client: OpenAI, model: ScriptedModel, *items: Any, **options: Any) -> list[Json]:
    """What the model is asked with when a client sends these items."""
    model.script(say("Well."))
    ask(client, input=list(items), **options)
    messages: list[Json] = model.requests[-1].body["messages"]
    return messages


def test_items_that_a_client_has_changed_are_read_as_they_are_now(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"}), text="Let me see."), say("Yes."))
    first = ask(client)
    text, code, answer = (item.model_dump(exclude_none=True) for item in first.output)
    text["content"][0]["text"], code["code"], answer["content"][0]["text"] = "Well:", "2", "No."
    messages = plain(asked(client, model, text, code, answer))
    assert [message["content"] for message in messages] == ["Well:", "", "1", "No."]
    assert [made[1:] for made in messages[1]["tool_calls"]] == [("python", {"code": "2"})]


def test_calls_that_stand_together_are_one_step(client: OpenAI, model: ScriptedModel) -> None:
    def function(call_id: str) -> Json:
        return {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": "{}"}

    def output(call_id: str) -> Json:
        return {"type": "function_call_output", "call_id": call_id, "output": call_id.upper()}

    messages = asked(
        client,
        model,
        function("a"),
        function("b"),
        output("b"),
        output("a"),
        function("c"),
        output("c"),
        tools=[WEATHER],
    )
    assert [[made["id"] for made in message.get("tool_calls", ())] for message in messages] == [
        ["a", "b"],
        [],
        [],
        ["c"],
        [],
    ]
    assert [message.get("content") for message in messages] == ["", "A", "B", "", "C"]


def test_messages_of_all_roles(client: OpenAI, model: ScriptedModel) -> None:
    messages = asked(
        client,
        model,
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "One."}, {"type": "input_text", "text": "Two."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": "Well, yes."},
        {"role": "developer", "content": "Now!"},
        instructions="Be good.",
    )
    # Many a template takes one system message, and that at the beginning.
    assert messages == [
        {"role": "system", "content": "Be good.\n\nBe brief.\n\nBe kind."},
        {"role": "user", "content": "One.\nTwo."},
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "Well, yes."},
        {"role": "system", "content": "Now!"},
    ]


def test_thoughts_that_clients_send_again_stay_here(client: OpenAI, model: ScriptedModel) -> None:
    model.script(reason("Hm.", say("Yes.")))
    first = ask(client)
    thought, answer = (item.model_dump(exclude_none=True) for item in first.output)
    foreign = {"type": "reasoning", "id": "rs_from_elsewhere", "summary": [], "encrypted_content": "secret"}
    messages = asked(client, model, {"role": "user", "content": "Q"}, thought, foreign, answer)
    assert messages == [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "Yes."}]


def test_outputs_of_calls_from_elsewhere_are_read_as_they_are_shown(client: OpenAI, model: ScriptedModel) -> None:
    def foreign(outputs: Any) -> Json:
        return {"type": "code_interpreter_call", "id": "ci_from_elsewhere", "code": "1", "outputs": outputs}

    logs = [
        {"type": "logs", "logs": "a"},
        {"type": "image", "url": "https://example.com"},
        {"type": "logs", "logs": "b"},
    ]
    for outputs, told in ((logs, "a\nb"), (None, "[no output is known]"), ([], "[no output is known]")):
        messages = asked(client, model, foreign(outputs))
        assert messages[1]["content"] == told
        assert json.loads(messages[0]["tool_calls"][0]["function"]["arguments"]) == {"code": "1"}


def test_the_whole_of_a_long_output_is_not_read_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "print('a' * 50_000)"})), say("Long."))
    first = ask(client)
    before = model.requests[1].body["messages"]
    items = [item.model_dump(exclude_none=True) for item in first.output]
    assert len(calls(first)[0].outputs[0].logs) == 50_000
    messages = asked(client, model, {"role": "user", "content": "How much is it?"}, *items)
    assert messages[:3] == before
