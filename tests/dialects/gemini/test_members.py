"""Members that Google's JSON has, and others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from insitu.dialects.gemini.interactions.asked import CONFIG, TOOLS, CreateInteraction
from insitu.dialects.gemini.members import MESSAGES
from tests.support.majors import environment_with, needs_majors
from tests.support.model import ScriptedModel, say

GENERATE = "/v1beta/models/m:generateContent"
INTERACT = "/v1beta/interactions"
# What the client reads itself, and sends to nobody.
OF_THE_CLIENT = {
    "automatic_continuation",
    "automatic_function_calling",
    "generation_output_config",
    "http_options",
    "should_return_http_response",
}
# By its names of them, all members that the client's types have.
DUMP = """
import json
from google.genai import interactions, types
found = {name: sorted(kind.model_fields) for name, kind in vars(types).items() if hasattr(kind, "model_fields")}
asked = ("CreateModelInteraction", "CreateAgentInteraction", "GenerationConfig", "CodeExecution", "Function")
found |= {f"interactions.{name}": sorted(getattr(interactions, name).model_fields) for name in asked}
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("more", "name", "where"),
    [
        ({"colour": 1}, "colour", ""),
        ({"tools": [{"wobble": {}}]}, "wobble", " at 'tools[0]'"),
        ({"tools": [{}, {"codeExecution": {"a": 1}}]}, "a", " at 'tools[1].code_execution'"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "b": 1}]}]},
            "b",
            " at 'tools[0].function_declarations[0]'",
        ),
        ({"generationConfig": {"colour": 1}}, "colour", " at 'generation_config'"),
        ({"generation_config": {"thinkingConfig": {"c": 1}}}, "c", " at 'generation_config.thinking_config'"),
        ({"toolConfig": {"d": 1}}, "d", " at 'tool_config'"),
        ({"systemInstruction": {"parts": [], "e": 1}}, "e", " at 'system_instruction'"),
        ({"contents": [{"parts": [{"text": "Hm?", "f": 1}]}]}, "f", " at 'contents[0].parts[0]'"),
        ({"contents": {"parts": {"inlineData": {"g": 1}}}}, "g", " at 'contents[0].parts.inline_data'"),
    ],
)
def test_a_name_that_google_does_not_know_is_refused_in_its_words(
    http: httpx2.Client, more: dict[str, Any], name: str, where: str
) -> None:
    answer = http.post(GENERATE, json={"contents": "Hm?", **more})
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'


@pytest.mark.parametrize(
    ("more", "name", "where"),
    [
        ({"tools": [{"type": "code_execution", "zz": 1}]}, "zz", "tools[0]"),
        ({"tools": [{"type": "function", "name": "f", "strict": True}]}, "strict", "tools[0]"),
        ({"generation_config": {"zz": 1}}, "zz", "generation_config"),
        ({"generation_config": {"tool_choice": {"zz": 1}}}, "zz", "generation_config.tool_choice"),
        ({"response_format": {"type": "text", "zz": 1}}, "zz", "response_format"),
    ],
)
def test_a_name_that_interactions_do_not_know_is_refused(
    http: httpx2.Client, more: dict[str, Any], name: str, where: str
) -> None:
    answer = http.post(INTERACT, json={"model": "m", "input": "Hm?", **more})
    assert answer.status_code == 400
    said = f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
    assert answer.json()["error"]["message"] == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"input": 7}, "input must be a string, an object or a list of steps"),
        ({"response_format": 7}, "response_format must be an object or a list of one"),
        ({"response_format": [7]}, "response_format must be an object"),
    ],
)
def test_what_may_be_of_several_kinds_is_refused_in_one_sentence(
    http: httpx2.Client, more: dict[str, Any], said: str
) -> None:
    message = http.post(INTERACT, json={"model": "m", "input": "Hm?", **more}).json()["error"]["message"]
    assert message.partition(" (")[0] == said


def test_both_spellings_are_known(http: httpx2.Client, model: ScriptedModel) -> None:
    for config in ({"maxOutputTokens": 9, "topK": 3}, {"max_output_tokens": 9, "top_k": 3}):
        model.script(say("Hi."))
        assert http.post(GENERATE, json={"contents": "Hm?", "generationConfig": config}).status_code == 200


@pytest.mark.parametrize("name", ["parallelAiSearch", "exa_ai_search", "googleSearch"])
def test_tools_that_are_known_and_not_here_are_refused_by_name(http: httpx2.Client, name: str) -> None:
    error = http.post(GENERATE, json={"contents": "Hm?", "tools": [{name: {}}]}).json()["error"]
    assert "is not to be had here" in error["message"] and error["details"][0]["reason"] == "UNSUPPORTED"


@pytest.fixture(scope="module", params=["usual", pytest.param("other", marks=needs_majors)])
def members(request: pytest.FixtureRequest) -> Mapping[str, set[str]]:
    """The members of the client's types, by their names."""
    env = environment_with() if request.param == "other" else dict(os.environ)
    run = subprocess.run([sys.executable, "-c", DUMP], env=env, capture_output=True, text=True, check=True)
    return {name: set(found) for name, found in json.loads(run.stdout).items()}


def test_all_that_googles_client_has_is_known(members: Mapping[str, set[str]]) -> None:
    unknown = {name: members[name] - set(known) for name, known in MESSAGES.items() if name in members}
    assert not any(unknown.values()), unknown
    assert set(MESSAGES) - set(members) == {"GenerateContentRequest"}
    request = set(MESSAGES["GenerateContentRequest"]) | set(MESSAGES["GenerationConfig"])
    assert members["GenerateContentConfig"] - OF_THE_CLIENT <= request


def test_all_that_its_interactions_have_is_known(members: Mapping[str, set[str]]) -> None:
    asked = members["interactions.CreateModelInteraction"] | members["interactions.CreateAgentInteraction"]
    assert asked <= set(CreateInteraction.model_fields)
    assert members["interactions.GenerationConfig"] <= set(CONFIG)
    assert members["interactions.CodeExecution"] <= set(TOOLS["code_execution"])
    assert members["interactions.Function"] <= set(TOOLS["function"])
