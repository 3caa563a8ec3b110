"""What tools look like to code: signatures, docstrings and names, whatever their schemas say."""

from __future__ import annotations

import copy
import inspect
import json
import pydoc
from collections.abc import Awaitable
from typing import Any

import pytest

from insitu.guest import values
from insitu.guest.tools import Host, Tool, Tools

SEARCH = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "default": 10},
        "query": {"type": "string", "description": "what is looked for"},
        "in-title": {"type": "boolean"},
        "kinds": {"type": "array", "items": {"enum": ["a", "b"]}},
        "since": {"type": ["string", "null"]},
    },
    "required": ["query"],
}
FILTER = {"type": "object", "properties": {"where": {"type": "object"}, "limit": {}}, "required": ["where"]}


class Heard:
    """The host: keeps what it is asked, and answers with the arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.host = Host(self.send, self.wait, self.wait_async)

    def send(self, name: str, given: str) -> int:
        self.calls.append((name, json.loads(given)))
        return len(self.calls)

    def wait(self, number: int) -> bytes:
        return json.dumps({"value": self.calls[number - 1][1]}).encode()

    def wait_async(self, number: int) -> Awaitable[bytes]:
        async def answer() -> bytes:
            return self.wait(number)

        return answer()


def made(**schemas: Any) -> Tools:
    """Tools of these names and schemas."""
    declared = [{"name": name, "description": "Finds.", "parameters": schema} for name, schema in schemas.items()]
    return Tools(Heard().host, declared)


def signature(schema: Any) -> str:
    return str(inspect.signature(made(tool=schema).tool))


def test_signatures_say_what_schemas_say() -> None:
    assert signature(SEARCH) == (
        "(query: str, limit: int = 10, kinds: list[Literal['a', 'b']] = ..., since: str | None = ...)"
    )
    assert signature({}) == signature({"type": "object"}) == "(**arguments)"
    assert signature({"type": "object", "properties": {"a-b": {}}}) == "()"
    assert signature({"type": "object", "properties": {}, "additionalProperties": False}) == "()"


def test_signatures_follow_what_models_and_options_are_made_of() -> None:
    schema = {
        "type": "object",
        "properties": {
            "color": {"$ref": "#/$defs/Color"},
            "place": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}},
            "one": {"allOf": [{"$ref": "#/$defs/Color"}]},
            "kind": {"const": "a"},
            "loop": {"$ref": "#/$defs/Loop"},
            "gone": {"$ref": "#/$defs/Gone"},
            "away": {"$ref": "https://example.com/schema.json"},
        },
        "required": ["color", "place", "tags", "one", "kind", "loop", "gone", "away"],
        "$defs": {
            "Color": {"enum": ["red", "blue"], "type": "string"},
            "Place": {"type": "object", "properties": {"name": {"type": "string"}}},
            "Loop": {"type": "array", "items": {"$ref": "#/$defs/Loop"}},
        },
    }
    assert signature(schema) == (
        "(color: Literal['red', 'blue'], place: dict | None, tags: list[str | int], one: Literal['red', 'blue'], "
        "kind: Literal['a'], loop: list[list[Any]], gone: Any, away: Any)"
    )


def test_signatures_say_what_is_returned() -> None:
    about = {"name": "search", "parameters": {"type": "object"}}
    tools = Tools(Heard().host, [{**about, "returns": "list[str] | None"}, {**about, "name": "other"}])
    assert str(inspect.signature(tools.search)) == "(**arguments) -> list[str] | None"
    assert "search(**arguments) -> list[str] | None" in pydoc.plain(pydoc.render_doc(tools.search))
    assert inspect.signature(tools.other).return_annotation is inspect.Signature.empty


def test_help_serves_a_reader() -> None:
    told = pydoc.plain(pydoc.render_doc(made(search=SEARCH).search))
    assert "search(query: str, limit: int = 10" in told
    assert "Finds." in told and "query: what is looked for" in told
    assert repr(made(search=FILTER)) == "tools:\n  search(where: dict, limit: Any = ...)"


SCHEMAS: list[Any] = [
    None,
    [],
    "x",
    {"properties": []},
    {"properties": {"x": []}},
    {"properties": {"x": None, "self": {}, "class": {}, "": {}, "1": {}}},
    {"properties": {"x": {"type": {"a": 1}}}},
    {"properties": {"x": {"type": [{}, []]}}},
    {"properties": {"x": {"enum": 5}}},
    {"properties": {"x": {"enum": ["x" * 10_000]}}},
    {"properties": {"x": {"type": "array", "items": 5}}},
    {"properties": {"x": {"description": ["y"]}}},
    {"properties": {"x": {}}, "required": "x"},
    {"properties": {"x": {}}, "required": [[], {}, "y"]},
]
deep: Any = {"type": "string"}
for _ in range(150):
    deep = {"type": "array", "items": deep}
SCHEMAS.append({"properties": {"x": deep}})


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:40])
def test_no_schema_breaks_anything(schema: Any) -> None:
    tools = made(tool=schema)
    assert len(str(inspect.signature(tools.tool))) < 400
    assert repr(tools) and tools.tool.__doc__ and pydoc.render_doc(tools.tool)
    assert tools.tool({"x": 1}) == {"x": 1}


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ("tools.search('a')", {"query": "a"}),
        ("tools.search('a', 5)", {"query": "a", "limit": 5}),
        ("tools.search(limit=5, query='a')", {"query": "a", "limit": 5}),
        ("tools.search({'query': 'a', 'in-title': True})", {"query": "a", "in-title": True}),
        ("tools.search({'unknown': 1})", {"unknown": 1}),
        ("tools.filter({'a': 1})", {"where": {"a": 1}}),
        ("tools.filter({'where': {'a': 1}})", {"where": {"a": 1}}),
        ("tools.filter({'where': {'a': 1}, 'limit': 2})", {"where": {"a": 1}, "limit": 2}),
        ("tools.filter({'a': 1}, limit=2)", {"where": {"a": 1}, "limit": 2}),
        ("tools.free(a=1, self=2, name=3)", {"a": 1, "self": 2, "name": 3}),
        ("tools.free({'a': {'b': [1, 2]}})", {"a": {"b": [1, 2]}}),
        ("tools.free()", {}),
    ],
)
def test_arguments_go_by_place_by_name_or_as_one_object(call: str, sent: Any) -> None:
    assert eval(call, {"tools": made(search=SEARCH, filter=FILTER, free={})}) == sent


@pytest.mark.parametrize("call", ["tools.search()", "tools.search('a', 'b', 'c', 'd', 'e')", "tools.search(nope=1)"])
def test_what_does_not_fit_the_signature_never_leaves(call: str) -> None:
    heard = Heard()
    tools = Tools(heard.host, [{"name": "search", "parameters": SEARCH}])
    with pytest.raises(TypeError, match=r"^tools\.search\(query: str"):
        eval(call, {"tools": tools})
    assert heard.calls == []


def test_what_has_no_form_in_json_never_leaves() -> None:
    heard = Heard()
    tools = Tools(heard.host, [{"name": "search", "parameters": SEARCH}])
    with pytest.raises(values.NotEncodable):
        tools.search(print)
    assert heard.calls == []


async def test_a_coroutine_brings_the_same() -> None:
    assert await made(search=SEARCH).search.aio("a", limit=1) == {"query": "a", "limit": 1}


NAMES = {
    "search": "search",
    "web-search": "web_search",
    "a.b/c d": "a_b_c_d",
    "1st": "_1st",
    "class": "_class",
    "": "_",
    "größe": "größe",
    "x²": "x_",
    "\ud800": "_",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_an_attribute(name: str) -> None:
    tools = made(**{name: {}})
    assert NAMES[name].isidentifier()
    assert getattr(tools, NAMES[name]) is tools[name] is next(iter(tools))
    assert NAMES[name] in dir(tools) and name in tools and len(tools) == 1


def test_a_true_name_comes_before_one_that_was_made() -> None:
    for names in (["a_b", "a-b"], ["a-b", "a_b"]):
        tools = made(**{name: {} for name in names})
        assert tools.a_b is tools["a_b"] is not tools["a-b"]


def test_what_there_is_not_is_told_with_what_there_is() -> None:
    tools = made(search={}, find={})
    with pytest.raises(AttributeError, match="there is no tool 'look'; there are: find, search"):
        tools.look  # noqa: B018 - it raises
    with pytest.raises(KeyError, match="there is no tool 'look'"):
        tools["look"]
    with pytest.raises(AttributeError, match="there are: none"):
        made().look  # noqa: B018 - it raises
    assert not hasattr(tools, "__wrapped__")


def test_tools_are_what_they_are_when_they_are_copied() -> None:
    tools = made(search=SEARCH)
    assert copy.copy(tools.search) is copy.deepcopy(tools.search) is tools.search
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(tools)


def test_a_tool_of_a_class_is_not_bound() -> None:
    class Agent:
        search = made(search=SEARCH).search

    assert isinstance(Agent.search, Tool)
    assert Agent().search("a") == {"query": "a"}
