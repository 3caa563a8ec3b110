from __future__ import annotations

from typing import Any

import pytest

from insitu.errors import InsituError, InvalidRequest, TooLarge
from insitu.schemas import Checker, check_schema

TREE = {
    "$defs": {"node": {"properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}},
    "$ref": "#/$defs/node",
}


def nested(depth: int, key: str = "not") -> dict[str, Any]:
    """An object in an object, and so on."""
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {key: made}
    return made


def doubling(depth: int) -> dict[str, Any]:
    """Definitions, each of which refers to the next one twice."""
    names = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": {**names, f"d{depth}": {}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (None, "it is no object"),
        ([], "it is no object"),
        ({"type": "nothing"}, '"nothing" is not valid'),
        ({"properties": []}, "is not of type"),
        ({"pattern": "("}, "regex"),
        ({"pattern": "(?=a)b"}, "regex"),
        ({"$schema": "http://127.0.0.1:9/schema"}, "its $schema"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "leads elsewhere"),
        ({"$ref": "other.json#/a"}, "leads elsewhere"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "leads nowhere"),
        ({"properties": {"a": {"$id": "http://127.0.0.1:9/"}}}, "$id is not taken"),
        ({"$dynamicRef": "#x", "allOf": [{"$dynamicRef": "#x"}]}, "$dynamicRef is not taken"),
        ({"$ref": "#"}, "leads to itself"),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, "leads to itself"),
        (nested(40), "within each other"),
        (nested(100), "nested deeper"),
        (doubling(14), "more than 10000 steps"),
        ({"allOf": [{"pattern": "a"}] * 65}, "more than 64 patterns"),
        ({"description": "x" * 65_536}, "65536 is the most"),
        ({"enum": [float("nan")], "x": object()}, "not JSON serializable"),
    ],
)
def test_what_is_no_schema_that_can_be_used(schema: object, why: str) -> None:
    with pytest.raises(InsituError) as refused:
        check_schema(schema)
    assert isinstance(refused.value, InvalidRequest | TooLarge)
    assert why in refused.value.message


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, 'the arguments: "n" is a required property'),
        ({"n": "1"}, 'n: "1" is not of type "integer"'),
        ({"n": 1, "list": [1, "x"]}, 'list[1]: "x" is not of type "number"'),
        ({"n": 1, "word": "b"}, 'word: "b" does not match "^a+$"'),
        ({"n": 1, "more": 2}, "Additional properties are not allowed ('more' was unexpected)"),
    ],
)
def test_a_value_that_is_wrong_is_told_where_and_why(value: object, why: str) -> None:
    checker = Checker(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer"},
                "list": {"items": {"type": "number"}},
                "word": {"pattern": "^a+$"},
            },
            "required": ["n"],
            "additionalProperties": False,
        }
    )
    checker.check({"n": 1, "list": [1.5], "word": "aa"})
    with pytest.raises(InvalidRequest) as refused:
        checker.check(value)
    assert why in refused.value.message


def test_a_wrong_value_is_not_repeated_at_its_full_length() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Checker({"type": "integer"}).check("x" * 1_000_000)
    assert len(refused.value.message) < 400


def test_names_that_are_keywords_elsewhere() -> None:
    checker = Checker({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}})
    checker.check({"$ref": "x", "$id": "y"})


def test_a_schema_that_contains_itself() -> None:
    tree: dict[str, Any] = {}
    for _ in range(50):
        tree = {"left": tree, "right": {}}
    Checker(TREE).check(tree)


def test_a_check_that_would_double_with_each_level_is_not_begun() -> None:
    checker = Checker({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}})
    checker.check(nested(5, "a"))
    with pytest.raises(InvalidRequest, match="takes more than"):
        checker.check(nested(60, "a"))


@pytest.mark.parametrize("schema", [{"pattern": "1[01]{500}2"}, {"items": {"pattern": "(a+)+$"}}])
def test_patterns_for_long_texts_are_not_begun(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="patterns are for more than 65536 characters"):
        Checker(schema).check("0" * 1_000_000 if "pattern" in schema else ["0" * 1000] * 1000)


def test_patterns_beside_long_texts() -> None:
    checker = Checker({"properties": {"word": {"pattern": "^a+$"}, "text": {"type": "string"}}})
    checker.check({"word": "a", "text": "x" * 5_000_000})


def test_too_many_values_for_a_schema_of_many_steps() -> None:
    checker = Checker({"items": {"allOf": [{"type": "integer"}] * 1000}})
    checker.check([1] * 1000)
    with pytest.raises(TooLarge, match="too many for a schema"):
        checker.check([1] * 100_000)


KEYS = [f"k{number}" for number in range(4000)]
LISTING = {
    "dependentRequired": {key: [] for key in KEYS},
    "dependencies": {key: [] for key in KEYS},
    "enum": KEYS,
    "required": KEYS,
    "const": KEYS,
    "anyOf": [True] * 4000,
    "properties": dict.fromkeys(KEYS, True),
    "an unknown one": {"within": KEYS},
}


@pytest.mark.parametrize("keyword", LISTING)
def test_whatever_a_keyword_lists_is_counted(keyword: str) -> None:
    checker = Checker({"properties": {"x": {"items": {keyword: LISTING[keyword]}}}})
    with pytest.raises(TooLarge, match=r"^60002 values are too many for a schema of 400\d steps to check"):
        checker.check({"x": [{}] * 60_000})


def test_what_is_listed_within_a_list_is_counted() -> None:
    with pytest.raises(InvalidRequest, match="more than 10000 steps"):
        check_schema({"dependentRequired": {key: [f"{number}" for number in range(1000)] for key in KEYS[:10]}})


def test_fractions_that_values_are_divided_by_are_counted() -> None:
    cents = Checker({"items": {"allOf": [{"multipleOf": 0.01}, {"multipleOf": 0.5}, {"multipleOf": 2}]}})
    cents.check([4.0] * 9_999)
    with pytest.raises(TooLarge, match=r"^10001 values are too many .* a fraction in multipleOf 2 times"):
        cents.check([4.0] * 10_000)


def test_types_are_counted() -> None:
    several = ["null", "array", "boolean", "integer", "object", "string"]
    checker = Checker({"items": {"allOf": [{"type": several}] * 500}})
    with pytest.raises(TooLarge, match=r"^12001 values are too many for a schema of 3502 steps to check"):
        checker.check([1] * 12_000)


@pytest.mark.parametrize("keyword", ["$defs", "definitions", "default", "examples"])
def test_what_no_check_looks_at_is_not_counted(keyword: str) -> None:
    listed = dict.fromkeys(KEYS, True) if keyword in ("$defs", "definitions") else KEYS
    Checker({"items": {keyword: listed}}).check([1] * 60_000)


def test_what_is_looked_through_at_each_level_is_counted() -> None:
    wide = {"properties": dict.fromkeys(KEYS, True), "items": {"$ref": "#"}}
    Checker(wide).check([{}] * 10)
    with pytest.raises(InvalidRequest, match="takes more than 10000 steps"):
        Checker(wide).check([{}] * 100)


def test_values_that_are_nested_too_deep() -> None:
    with pytest.raises(InvalidRequest, match="nested deeper than 200"):
        Checker({}).check(nested(300, "a"))
