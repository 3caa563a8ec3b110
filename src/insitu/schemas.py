"""JSON schemas of arguments: checked before they are kept, and safe to check with, whoever has written them.

A check runs on the event loop. So a schema holds no reference to elsewhere, no pattern that backtracks, no endless
recursion; and what it may cost is known before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jsonschema_rs
import orjson

from .errors import InvalidRequest, TooLarge

_MOST_BYTES, _DEEPEST, _DEEPEST_VALUE = 64 * 1024, 64, 200
# Steps of a check: of a schema's own, of one with the values, and where they are counted one by one.
_MOST_STEPS, _MOST_CHECKS, _MOST_COUNTED = 10_000, 40_000_000, 10_000
# So many entries are looked through in the time of one step that is counted.
_ENTRIES_A_STEP = 10
# A division by a fraction is exact, and takes up to 40 microseconds and more.
_MOST_DIVISIONS = 20_000
# A pattern never backtracks, but takes up to 5 microseconds for each character.
_MOST_MATCHED = 64 * 1024
_MOST_CHAINED = 32
_MOST_PATTERNS, _PATTERN_STEPS = 64, 20
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=256 * 1024, dfa_size_limit=1024 * 1024)
_LONGEST_MESSAGE = 300
_DRAFTS = ("https://json-schema.org/draft", "http://json-schema.org/draft")

# Keywords whose schemas are for the same value, and those whose schemas are for what is in it.
_HERE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
_BELOW = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "prefixItems",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
)
_MAPPINGS = {"dependentSchemas", "dependencies", "properties", "patternProperties"}
# Keywords whose lists and mappings a check never looks at; those of all others cost it something.
_UNREAD = {"$defs", "definitions", "default", "examples"}
# They would make a reference mean something else than the place that it names.
_REFUSED = ("$schema", "$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")

Schema = Mapping[str, Any]


def check_schema(schema: object) -> None:
    """See that something is a JSON schema that values can be checked with.

    Raises:
        InvalidRequest: if it is none, or would be dangerous.
    """
    Checker(schema)


class Checker:
    """Checks values against one schema.

    Raises:
        InvalidRequest: if that is none, or would be dangerous.
    """

    def __init__(self, schema: object) -> None:
        self._schema = _readable(schema)
        with _refusing():
            jsonschema_rs.meta.validate(self._schema)
        cost = _Cost(self._schema)
        self._steps, self._recursive, self._patterns = cost.steps, cost.recursive, cost.patterns
        self._divisions = cost.divisions
        with _refusing():
            self._validator = jsonschema_rs.validator_for(
                self._schema, offline=True, validate_formats=False, pattern_options=_PATTERNS
            )

    def check(self, value: Any, size: int | None = None) -> None:
        """See that a value in JSON's types is what the schema says.

        Args:
            size: bytes of its JSON, where they are known.

        Raises:
            InvalidRequest: if it is not; it says where, and what.
            TooLarge: if it is so large that the check would take too long.
        """
        values = _extent(value, _DEEPEST_VALUE)
        if values * self._steps > _MOST_CHECKS:
            raise TooLarge(
                f"{values} values are too many for a schema of {self._steps} steps to check",
                hint="pass large data as one string, or make the schema simpler",
            )
        if values * self._divisions > _MOST_DIVISIONS:
            raise TooLarge(
                f"{values} values are too many for a schema that has a fraction in multipleOf {self._divisions} times",
                hint="pass large data as one string, or leave multipleOf out",
            )
        text = _MOST_MATCHED + 1 if size is None else size
        if self._recursive or text * self._patterns > _MOST_MATCHED:
            _Counted(self._schema).count(self._schema, value)
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            raise InvalidRequest(f"{_place(error.instance_path)}: {_clipped(error.message)}") from None
        except ValueError as error:
            raise InvalidRequest(f"the arguments cannot be checked: {_clipped(str(error))}") from None


def _extent(value: Any, deepest: int) -> int:
    """How many values one holds, itself among them.

    Raises:
        InvalidRequest: if it is nested deeper than so many levels.
    """
    count, level = 1, [value]
    for _ in range(deepest + 1):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, (dict, list, tuple)):
                count += len(each)
                items = each.values() if isinstance(each, dict) else each
                inner += [item for item in items if isinstance(item, (dict, list, tuple))]
        if not inner:
            return count
        level = inner
    raise InvalidRequest(f"it is nested deeper than {deepest} levels")


class _Cost:
    """How many steps one value takes at the most, references written out; a loop is gone through once."""

    def __init__(self, root: Schema) -> None:
        self.steps = 0
        self.recursive = False
        self.patterns = self.divisions = 0
        self._root = root
        self._visit(root, 1, {})

    def _visit(self, schema: Schema, weight: int, open_references: Mapping[str, bool], chained: int = 0) -> None:
        """Count a schema; ``open_references`` are those that it is within, and whether for the same value."""
        self.steps += weight * self._own_steps(schema)
        self.divisions += weight * isinstance(schema.get("multipleOf"), float)
        if self.steps > _MOST_STEPS:
            raise _no_schema(f"it takes more than {_MOST_STEPS} steps, its references written out")
        if chained > _MOST_CHAINED:
            raise _no_schema(f"more than {_MOST_CHAINED} schemas within each other are for the same value")
        weight *= 2 if any(keyword in schema for keyword in ("unevaluatedItems", "unevaluatedProperties")) else 1
        below = dict.fromkeys(open_references, False)
        for keyword, inner in _inner(schema):
            here = keyword in _HERE
            self._visit(inner, weight, open_references if here else below, chained + 1 if here else 0)
        if "$ref" in schema:
            self._follow(schema["$ref"], weight, open_references, chained)

    def _follow(self, reference: object, weight: int, open_references: Mapping[str, bool], chained: int) -> None:
        target = _resolve(self._root, reference)
        if open_references.get(str(reference)):
            raise _no_schema(f"the reference {reference!r} leads to itself")
        if str(reference) in open_references:
            self.recursive = True
            return
        self._visit(target, weight, {**open_references, str(reference): True}, chained + 1)

    def _own_steps(self, schema: Schema) -> int:
        if schema is not self._root and (refused := [word for word in _REFUSED if isinstance(schema.get(word), str)]):
            raise _no_schema(f"{refused[0]} is not taken; refer to a place as in {{'$ref': '#/$defs/name'}}")
        patterns = len(schema.get("patternProperties") or ()) + ("pattern" in schema)
        self.patterns += patterns
        if self.patterns > _MOST_PATTERNS:
            raise _no_schema(f"it has more than {_MOST_PATTERNS} patterns, its references written out")
        listed = sum(_listed(keyword, found) for keyword, found in schema.items())
        return 1 + len(schema) // 4 + listed + patterns * _PATTERN_STEPS


class _Counted:
    """Counts what a schema does with a value: if it is recursive, that may double with each level."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps = self._matched = 0

    def count(self, schema: Schema, value: Any) -> None:
        """Raise InvalidRequest if it is too much."""
        self._steps += 1 + _width(schema) // _ENTRIES_A_STEP
        self._matched += _matched(schema, value)
        if self._steps > _MOST_COUNTED:
            raise InvalidRequest(
                f"to check the arguments takes more than {_MOST_COUNTED} steps",
                hint="nest them less, or make the schema simpler",
            )
        if self._matched > _MOST_MATCHED:
            raise InvalidRequest(
                f"the schema's patterns are for more than {_MOST_MATCHED} characters", hint="give those no pattern"
            )
        for keyword, inner in _inner(schema):
            for each in _subjects(keyword, value):
                self.count(inner, each)
        for name, inner in _named(schema):
            if isinstance(value, dict) and name in value:
                self.count(inner, value[name])
        if "$ref" in schema:
            self.count(_resolve(self._root, schema["$ref"]), value)


def _inner(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The schemas within one, each with its keyword."""
    for keyword in (*_HERE, *_BELOW):
        for each in _entries(keyword, schema.get(keyword)):
            if isinstance(each, dict):
                yield keyword, each


def _entries(keyword: str, found: object) -> Sequence[Any]:
    """What a keyword has where schemas may be."""
    if isinstance(found, dict):
        return list(found.values()) if keyword in _MAPPINGS else [found]
    return found if isinstance(found, list) else ()


def _listed(keyword: str, found: object) -> int:
    """The steps of what a keyword lists; the schemas among that are counted by themselves."""
    if keyword in _UNREAD:
        return 0
    if keyword in _HERE or keyword in _BELOW:
        return sum(_extent(each, _DEEPEST) for each in _entries(keyword, found) if not isinstance(each, dict))
    return _extent(found, _DEEPEST) - 1


def _width(schema: Schema) -> int:
    """How many entries are looked through for the schemas within one."""
    return sum(len(found) for word in (*_HERE, *_BELOW) if isinstance(found := schema.get(word), (dict, list)))


def _subjects(keyword: str, value: Any) -> Sequence[Any]:
    """What a keyword's schemas are for; those of named properties are found by their names."""
    if keyword in _HERE:
        return [value]
    if isinstance(value, dict) and keyword != "properties":
        return list(value) if keyword == "propertyNames" else list(value.values())
    return value if isinstance(value, list) else ()


def _matched(schema: Schema, value: Any) -> int:
    """How many characters a schema's patterns are for."""
    if isinstance(value, str):
        return len(value) if "pattern" in schema else 0
    patterns = schema.get("patternProperties")
    return len(patterns) * sum(map(len, value)) if patterns and isinstance(value, dict) else 0


def _named(schema: Schema) -> Iterator[tuple[str, Schema]]:
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if isinstance(inner, dict):
            yield name, inner


def _resolve(root: Schema, reference: object) -> Schema:
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise _no_schema(f"the reference {_clipped(repr(reference))} leads elsewhere; only '#/…' is followed")
    found: Any = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return {}
    if not isinstance(found, dict):
        raise _no_schema(f"the reference {_clipped(reference)!r} leads nowhere")
    return found


def _readable(schema: object) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise _no_schema("it is no object")
    _extent(schema, _DEEPEST)
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:
        raise _no_schema(str(error)) from None
    if size > _MOST_BYTES:
        raise TooLarge(f"the schema has {size} bytes; {_MOST_BYTES} is the most")
    if not str(schema.get("$schema", _DRAFTS[0])).startswith(_DRAFTS):
        raise _no_schema(f"its $schema is {_clipped(repr(schema['$schema']))}, and not one of {_DRAFTS[0]}")
    # Without a name of its own: references are to places in it.
    return {word: value for word, value in schema.items() if word not in ("$id", "id")}


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise _no_schema(_clipped(str(getattr(error, "message", error)))) from None


def _no_schema(why: str) -> InvalidRequest:
    return InvalidRequest(f"this is no JSON schema that can be used: {why}")


def _place(path: Sequence[str | int]) -> str:
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return _clipped(named.lstrip(".")) or "the arguments"


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
