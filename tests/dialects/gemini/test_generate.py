"""generateContent with code, asked by Google's own client."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from insitu.engine import Engine, Session
from tests.dialects.conftest import KEYS
from tests.support.gemini import ask, config, content, kinds, parts
from tests.support.model import ScriptedModel, call, fail, reason, say
from tests.support.picture import PNG, SHOW
from tests.support.responses import run

from .conftest import Connect

pytestmark = pytest.mark.client("google-genai")

Serve = Callable[..., str]


@pytest.mark.shows("answer")
def test_an_answer_has_its_code_and_what_came_of_it(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(6 * 7)\n6 * 8", text="Let me see."), say("It is 42."))
    response = ask(gemini)
    said, code, result, last = parts(response)
    assert (said.text, last.text, response.text) == ("Let me see.", "It is 42.", "Let me see.It is 42.")
    assert code.executable_code and result.code_execution_result
    assert (code.executable_code.language, code.executable_code.code) == (types.Language.PYTHON, "print(6 * 7)\n6 * 8")
    assert result.code_execution_result.outcome is types.Outcome.OUTCOME_OK
    assert result.code_execution_result.output == "42\n48"
    assert code.executable_code.id == result.code_execution_result.id
    assert response.candidates and response.candidates[0].finish_reason is types.FinishReason.STOP
    usage = response.usage_metadata
    assert usage and (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (20, 10, 30)
    assert response.model_version == "m" and response.response_id


@pytest.mark.parametrize(
    ("code", "output"),
    [("print('a')\n1/0", "ZeroDivisionError: division by zero"), ("import os; os._exit(3)", "Crashed")],
)
def test_code_that_fails_says_how(gemini: genai.Client, model: ScriptedModel, code: str, output: str) -> None:
    model.script(run(code), say("Oh."))
    (result,) = (part.code_execution_result for part in parts(ask(gemini)) if part.code_execution_result)
    assert result.outcome is types.Outcome.OUTCOME_FAILED
    assert result.output and output in result.output


def test_what_takes_too_long_exceeds_its_deadline(serve: Serve, connect_genai: Connect, model: ScriptedModel) -> None:
    gemini = connect_genai(serve(timeout_s=0.3))
    model.script(run("while True: pass"), say("Too slow."))
    (result,) = (part.code_execution_result for part in parts(ask(gemini)) if part.code_execution_result)
    assert result.outcome is types.Outcome.OUTCOME_DEADLINE_EXCEEDED


@pytest.mark.shows("files out", "images")
def test_figures_and_files_come_with_the_answer(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run(f"n = open('a.csv', 'w').write('x,y')\n{SHOW}"), say("Here."))
    made = parts(ask(gemini))
    assert kinds(made) == ["executable_code", "code_execution_result", "inline_data", "text", "inline_data"]
    figure, file = (part.inline_data for part in made if part.inline_data)
    assert (figure.mime_type, figure.data) == ("image/png", base64.b64decode(PNG))
    assert (file.mime_type, file.data, file.display_name) == ("text/csv", b"x,y", "a.csv")


@pytest.mark.shows("state")
def test_a_chat_goes_on_in_the_same_sandbox(gemini: genai.Client, model: ScriptedModel) -> None:
    chat = gemini.chats.create(model="m", config=config())
    model.script(run("x = 6\nprint(x)"), say("Six."), run("x * 7"), say("Forty-two."))
    assert chat.send_message("Take six.").text == "Six."
    assert chat.send_message("Times seven?").code_execution_result == "42"
    first, asked, told, said, again, *_ = model.requests[-1].body["messages"]
    call_id = asked["tool_calls"][0]["id"]
    assert (first, said, again) == (
        {"role": "user", "content": "Take six."},
        {"role": "assistant", "content": "Six."},
        {"role": "user", "content": "Times seven?"},
    )
    assert asked["tool_calls"][0]["function"] == {"name": "python", "arguments": '{"code": "x = 6\\nprint(x)"}'}
    assert told == {"role": "tool", "tool_call_id": call_id, "content": "6"}


def test_another_owner_does_not_get_into_the_sandbox(
    gemini: genai.Client, url: str, connect_genai: Connect, model: ScriptedModel
) -> None:
    model.script(run("secret = 1"), say("Done."))
    history = [types.UserContent("Hide it."), content(ask(gemini, "Hide it.")), types.UserContent("Show it.")]
    model.script(run("secret"), say("No."))
    response = ask(connect_genai(url, KEYS[1]), history)
    assert "NameError" in str(response.code_execution_result)
    model.script(run("secret"), say("Yes."))
    assert ask(gemini, history).code_execution_result == "1"


def test_a_history_without_ids_and_signatures_is_read_by_its_order(gemini: genai.Client, model: ScriptedModel) -> None:
    code = [
        types.Part(executable_code=types.ExecutableCode(code=f"{n}", language=types.Language.PYTHON)) for n in (1, 2)
    ]
    result = [
        types.Part(code_execution_result=types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output=f"r{n}"))
        for n in (1, 2)
    ]
    said = types.Content(role="model", parts=[types.Part(text="See."), *code, *result, types.Part(text="Two.")])
    model.script(say("Yes."))
    ask(gemini, [types.UserContent("a"), said, types.UserContent("b")])
    _, asked, one, two, text, _ = model.requests[-1].body["messages"]
    assert (asked["content"], text["content"]) == ("See.", "Two.")
    assert [one["content"], two["content"]] == ["r1", "r2"]
    assert [one["tool_call_id"], two["tool_call_id"]] == [each["id"] for each in asked["tool_calls"]]


@pytest.mark.shows("files in")
def test_files_of_the_user_are_where_code_runs(gemini: genai.Client, model: ScriptedModel) -> None:
    table = types.Part(inline_data=types.Blob(mime_type="text/csv", data=b"1\n2\n", display_name="t.csv"))
    picture = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    model.script(run("import os\nprint(sorted(os.listdir()), open('t.csv').read())"), say("Three."))
    response = ask(gemini, [types.Content(role="user", parts=[types.Part(text="Sum?"), table, picture])])
    assert response.code_execution_result == "['file-1.png', 't.csv'] 1\n2"
    said = model.requests[-2].body["messages"][0]["content"]
    assert [part["type"] for part in said] == ["text", "text", "image_url", "text"]
    assert said[1]["text"] == "[the user's file t.csv is /mnt/data/t.csv]"
    assert said[2]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


@pytest.mark.shows("functions")
def test_functions_of_the_client_are_called_between_code(gemini: genai.Client, model: ScriptedModel) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
    weather = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=schema)])
    model.script(run("print(1)"), call(("weather", {"city": "Ulm"}), text="I ask."))
    first = content(gemini.models.generate_content(model="m", contents="Hm?", config=config(weather)))
    assert kinds(first.parts or []) == ["executable_code", "code_execution_result", "text", "function_call"]
    called = (first.parts or [])[-1].function_call
    assert called and (called.name, called.args) == ("weather", {"city": "Ulm"})
    offered = model.requests[-1].body["tools"][1]["function"]
    assert offered["parameters"] == {"type": "object", "properties": {"city": {"type": "string"}}}
    answer = types.Part.from_function_response(name="weather", response={"sky": "blue"})
    model.script(say("Blue."))
    history = [types.UserContent("Hm?"), first, types.Content(role="user", parts=[answer])]
    response = gemini.models.generate_content(model="m", contents=history, config=config(weather))
    assert response.text == "Blue."
    told = model.requests[-1].body["messages"][-1]
    assert (told["role"], told["content"]) == ("tool", '{"sky": "blue"}')


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ('{"text": "two\nlines"}', {"text": "two\nlines"}),
        ("", {}),
        ('{"text": ', {"not_json": '{"text": '}),
        ("[1]", {"not_json": "[1]"}),
    ],
    ids=["raw line breaks", "nothing", "cut off", "a list"],
)
def test_arguments_are_an_object_however_the_model_writes_them(
    gemini: genai.Client, model: ScriptedModel, written: str, given: dict[str, str]
) -> None:
    note = types.Tool(function_declarations=[types.FunctionDeclaration(name="note")])
    model.script(call(("note", written)))
    part, *_ = parts(gemini.models.generate_content(model="m", contents="Hm?", config=config(note)))
    assert part.function_call and part.function_call.args == given


def test_without_code_execution_the_model_simply_answers(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    asked = types.GenerateContentConfig(
        system_instruction="Be brief.", temperature=0.5, top_p=0.9, top_k=3, max_output_tokens=50, stop_sequences=["x"]
    )
    assert gemini.models.generate_content(model="m", contents="Hi", config=asked).text == "Hello."
    body = model.requests[-1].body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    options = ("temperature", "top_p", "max_tokens", "stop")
    assert {name: body[name] for name in options} == dict(zip(options, (0.5, 0.9, 50, ["x"]), strict=True))
    assert "tools" not in body and "top_k" not in body


def test_answers_can_have_a_schema(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(say('{"n": 1}'))
    schema = types.Schema(type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)})
    asked = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    gemini.models.generate_content(model="m", contents="Hi", config=asked)
    schema_sent = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema_sent}}
    assert model.requests[-1].body["response_format"] == wanted


@pytest.mark.parametrize("shown", [True, False])
def test_thoughts_are_shown_where_they_are_asked_for(gemini: genai.Client, model: ScriptedModel, shown: bool) -> None:
    model.script(reason("Hmm.", say("Hi.")))
    response = ask(gemini, thinking_config=types.ThinkingConfig(include_thoughts=shown))
    assert response.text == "Hi."
    assert [part.text for part in parts(response) if part.thought] == (["Hmm."] if shown else [])


def test_tokens_are_counted_by_the_model_server(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(say("x"))
    assert gemini.models.count_tokens(model="m", contents="Hi").total_tokens == 10
    assert model.requests[-1].body["max_tokens"] == 1


def test_models_are_those_of_the_model_server(gemini: genai.Client) -> None:
    assert [each.name for each in gemini.models.list()] == ["models/scripted"]
    assert gemini.models.get(model="scripted").name == "models/scripted"
    with pytest.raises(errors.ClientError) as caught:
        gemini.models.get(model="other")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_guards_end_a_turn_and_say_so(serve: Serve, connect_genai: Connect, model: ScriptedModel) -> None:
    gemini = connect_genai(serve(max_steps=2))
    model.script(run("1"), run("2"))
    response = ask(gemini)
    assert response.candidates and response.candidates[0].finish_reason is types.FinishReason.TOO_MANY_TOOL_CALLS


def test_a_model_server_that_fails_is_told_of_and_code_does_not_run_twice(
    url: str, connect_genai: Connect, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    start = Engine.start

    def counted(engine: Engine, session: Session | None, code: str, **options: Any) -> Any:
        begun.append(code)
        return start(engine, session, code, **options)

    monkeypatch.setattr(Engine, "start", counted)
    gemini = connect_genai(url, attempts=2)
    down = fail(500, {"error": {"message": "down"}}, {"x-should-retry": "false"})
    model.script(down, down)
    with pytest.raises(errors.ServerError) as caught:
        ask(gemini)
    assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")
    assert (len(model.requests), begun) == (2, [])
    model.script(run("1"), down)
    with pytest.raises(errors.ClientError) as ran:
        ask(gemini)
    assert (len(model.requests), begun) == (4, ["1"])
    assert (ran.value.code, ran.value.status) == (400, "FAILED_PRECONDITION")
    assert "code has run already" in str(ran.value.message)
    model.script(fail(401, {"error": {"message": "who?"}}))
    with pytest.raises(errors.ServerError):
        ask(gemini)
