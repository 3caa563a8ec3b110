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


def chain(length: int) -> dict[str, Any]:
    """Definitions, each of which refers to the next one for what is in a list."""
    names = {f"d{n}": {"items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(length)}
    return {"$defs": {**names, f"d{length}": {}}, "$ref": "#/$defs/d0"}


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
        (chain(64), "more than 64 references lead to each other"),
        (chain(1200), "more than 64 references lead to each other"),
        ({"allOf": [{"pattern": "a"}] * 65}, "more than 64 patterns"),
        ({"description": "x" * 65_536}, "65536 is the most"),
        ({"x": object()}, "not JSON serializable"),
        ({"enum": [float("nan")]}, "JSON has no nan"),
    ],
)
def test_what_is_no_schema_that_can_be_used(schema: object, why: str) -> None:
    with pytest.raises(InsituError) as refused:
        check_schema(schema)
    assert isinstance(refused.value, InvalidRequest | TooLarge)
    assert why in refused.value.message


def test_references_may_lead_to_each_other_up_to_a_bound() -> None:
    check_schema(chain(63))


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


def test_patterns_of_a_schema_become_no_more_than_they_may_together() -> None:
    large = r"^\p{L}{5}$"
    Checker({"items": {"pattern": large}}).check(["großé"])
    with pytest.raises(InvalidRequest, match="regex"):
        check_schema({"prefixItems": [{"pattern": large}] * 16})


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
    with pytest.raises(
        TooLarge, match=r"^60002 values with 1 characters are too many for a schema of 400\d steps to check"
    ):
        checker.check({"x": [{}] * 60_000})


def test_what_is_listed_within_a_list_is_counted() -> None:
    with pytest.raises(InvalidRequest, match="more than 10000 steps"):
        check_schema({"dependentRequired": {key: [f"{number}" for number in range(1000)] for key in KEYS[:10]}})


COMPARED = {
    "fractions": ([1.5] * 1500, {"minimum": 0.25}),
    "tiny fractions": ([1e-300] * 80, {"maximum": 3}),
    "whole numbers with fractions": ([7] * 700, {"multipleOf": 0.001}),
    "long whole numbers": ([10**300] * 90, {"exclusiveMinimum": 5}),
    "fractions that are listed": ([1.5] * 300, {"enum": [0.5, 2.5, [3.5], {"a": 4.5}, None]}),
    "fractions that are meant": ([1.5] * 1500, {"const": 2.5}),
}


@pytest.mark.parametrize(("values", "compared"), COMPARED.values(), ids=COMPARED)
def test_exact_comparisons_of_numbers_are_counted(values: list[float], compared: dict[str, Any]) -> None:
    schema = {"items": {"allOf": [{"anyOf": [compared, True]}] * 100}}
    Checker(schema).check(values)
    with pytest.raises(TooLarge, match="take more than 300000 comparisons with the schema's numbers"):
        Checker(schema).check(values * 5)


@pytest.mark.parametrize(("values", "compared"), COMPARED.values(), ids=COMPARED)
def test_exact_comparisons_of_a_schema_that_contains_itself_are_counted(
    values: list[float], compared: dict[str, Any]
) -> None:
    twice: dict[str, Any] = {"items": {"allOf": [{"anyOf": [compared, True]}, {"$ref": "#"}, {"$ref": "#"}]}}
    checker = Checker(twice)
    checker.check([[values[:10]]])
    value: Any = values[:40]
    for _ in range(8):
        value = [value]
    with pytest.raises(InvalidRequest, match=r"takes more than (300000 comparisons|10000 steps)"):
        checker.check(value)


def test_ordinary_numbers_may_be_many() -> None:
    Checker({"items": {"type": "number", "minimum": -1, "maximum": 1}}).check([0.25] * 100_000)
    Checker({"items": {"type": "integer", "minimum": 0}}).check(list(range(500_000)))


def test_long_whole_numbers_that_must_differ_are_few() -> None:
    unique = Checker({"uniqueItems": True})
    unique.check([2**100 + number for number in range(200)])
    with pytest.raises(TooLarge, match="comparisons"):
        unique.check([2**100 + number for number in range(500)])


def test_a_number_has_a_most_of_digits() -> None:
    Checker({}).check({"n": 2**4095})
    with pytest.raises(InvalidRequest, match="a number has 4097 bits; 4096 is the most"):
        Checker({}).check({"n": [-(2**4096)]})


def test_texts_that_are_parsed_count_for_more() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "contentMediaType": "application/json"}
    Checker(schema).check("[1]")
    with pytest.raises(TooLarge):
        Checker(schema).check("[" + "1," * 3_500_000 + "1]")


def test_what_is_no_number_in_json_is_refused() -> None:
    for number in (float("inf"), float("nan")):
        with pytest.raises(InvalidRequest, match=r"JSON has no (inf|nan)"):
            Checker({"items": {"maximum": 5}}).check([number])


@pytest.mark.parametrize("keyword", [{"minLength": 1}, {"contentEncoding": "base64"}, {"uniqueItems": True}])
def test_long_texts_count_as_many_values(keyword: dict[str, Any]) -> None:
    checker = Checker({"allOf": [keyword] * 1000})
    checker.check(["QUFB" * 10])
    with pytest.raises(TooLarge, match=r"^3 values with 4000000 characters are too many for a schema of \d+ steps"):
        checker.check(["QUFB" * 500_000] * 2)


def test_what_must_differ_is_counted_with_all_that_it_holds() -> None:
    checker = Checker({"uniqueItems": True, "items": {"$ref": "#"}})
    checker.check([["x" * 1000], ["y" * 1000]])
    with pytest.raises(InvalidRequest, match="takes more than"):
        checker.check([[["x" * 10_000]]] * 2000)


def test_a_large_value_that_breaks_many_schemas_is_not_written_down_for_each() -> None:
    checker = Checker({"anyOf": [{"type": "integer"}] * 300})
    with pytest.raises(InvalidRequest, match="the arguments are not what the schema says; they are too large"):
        checker.check("x" * 1_000_000)
    with pytest.raises(InvalidRequest, match="is not valid under any of the schemas"):
        checker.check("x")


def test_types_are_counted() -> None:
    several = ["null", "array", "boolean", "integer", "object", "string"]
    checker = Checker({"items": {"allOf": [{"type": several}] * 500}})
    with pytest.raises(
        TooLarge, match=r"^12001 values with 0 characters are too many for a schema of 3502 steps to check"
    ):
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
