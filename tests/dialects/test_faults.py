"""Bodies of nothing but faults: pydantic keeps each one, and describing them takes time and memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import insitu
from insitu.dialects.aws_lambda.asked import Asked
from insitu.dialects.mcp.tools import TOOLS
from insitu.server.app import DIALECTS
from insitu.web.errors import invalid_request

_LISTS = ("list", "tuple", "set", "frozenset")


def subclasses(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in cls.__subclasses__():
        yield each
        yield from subclasses(each)


MODELS = {
    *(body for dialect in DIALECTS for body in dialect.bodies),
    *(tool.arguments for tool in TOOLS),
    *subclasses(Asked),
}


def unbounded(schema: Any, where: str = "") -> Iterator[str]:
    """Where pydantic's own schema has a list or an object that can have any number of faults."""
    if isinstance(schema, Mapping):
        if is_unbounded(schema):
            yield where
        for name, inner in schema.items():
            yield from unbounded(inner, f"{where}.{name}")
    elif isinstance(schema, list | tuple):
        for index, inner in enumerate(schema):
            yield from unbounded(inner, f"{where}.{index}")


def is_unbounded(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if schema.get("fail_fast") or not isinstance(kind, str):
        return False
    if kind == "dict":
        # Its length is looked at last.
        return schema["values_schema"]["type"] != "any" or set(schema["keys_schema"]) != {"type"}
    return (
        kind in _LISTS and "max_length" not in schema and schema.get("items_schema", {"type": "any"}) != {"type": "any"}
    )


@pytest.mark.parametrize("model", sorted(MODELS, key=str), ids=lambda model: model.__name__)
def test_each_list_of_a_body_has_a_bound_or_ends_with_its_first_fault(model: type[BaseModel]) -> None:
    assert list(unbounded(model.__pydantic_core_schema__)) == []


@pytest.mark.parametrize("kind", [list[str], dict[str, int], dict[str, list[int]], tuple[int, ...]])
def test_what_has_no_bound_would_be_found(kind: Any) -> None:
    assert list(unbounded(TypeAdapter(kind).core_schema))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "m", "include": [1] * 500}),
        ("/v1/responses", {"model": "m", "metadata": {str(number): 1 for number in range(500)}}),
        ("/v1beta/interactions", {"model": "m", "input": "x", "response_modalities": [1] * 500}),
        ("/v1beta/interactions", {"model": "m", "input": "x", "labels": {str(number): 1 for number in range(500)}}),
        ("/v1beta/interactions", {"model": "m", "input": "x", **{str(number): 1 for number in range(500)}}),
    ],
)
def test_a_body_of_nothing_but_faults_is_refused_in_a_word(http: httpx2.Client, path: str, body: object) -> None:
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert len(answer.content) < 1000


def test_very_many_faults_are_counted_and_not_described() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(list[str]).validate_python([1] * 101)
    assert invalid_request(refused.value, "the arguments").message == "there are 101 faults in the arguments"
    with pytest.raises(ValidationError) as told:
        TypeAdapter(list[str]).validate_python([1] * 100)
    assert invalid_request(told.value).message.endswith("; and 95 more")


def test_faults_are_described_in_one_place() -> None:
    sources = Path(insitu.__file__).parent
    described = {
        str(path.relative_to(sources))
        for folder in ("web", "dialects", "server")
        for path in (sources / folder).rglob("*.py")
        if re.search(r"\.errors\(", path.read_text(encoding="utf-8"))
    }
    assert described == {"web/errors.py"}
