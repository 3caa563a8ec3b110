"""What checks cost: of a schema, and of a recursive one with a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequest
from .reading import BELOW, DEEPEST, HERE, Schema, entries, inner_schemas, no_schema, resolve
from .sizes import Size, size_of

# Steps of a schema, its references written out, and of a check whose steps are counted one by one.
MOST_STEPS, _MOST_COUNTED = 10_000, 10_000
# So many steps of a schema are gone in the time of one that is counted.
_STEPS_A_COUNT = 10
# Steps of a check, times the values.
MOST_CHECKS = 20_000_000
# Comparisons of numbers that are fractions or long, each of up to 3 microseconds.
MOST_COMPARED = 300_000
# A pattern never backtracks, but takes up to 5 microseconds for each character.
MOST_MATCHED = 64 * 1024
_MOST_CHAINED, _MOST_REFERENCES = 32, 64
_MOST_PATTERNS, _PATTERN_STEPS = 64, 20
# Keywords that do more with each value than look at it.
_STEPS_OF = {"uniqueItems": 8, "contentEncoding": 2, "contentMediaType": 100}
# Lists and objects that are listed are compared in this time of other values.
_STEPS_OF_NESTED = 4
# Keywords whose lists and mappings a check never looks at; those of all others cost it something.
_UNREAD = {"$defs", "definitions", "default", "examples"}
# Keywords whose numbers values are compared with.
_COMPARING = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "const", "enum")
# They would make a reference mean something else than the place that it names.
_REFUSED = ("$schema", "$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")


@dataclass(slots=True)
class Own:
    """What a schema itself costs, without those within it.

    Args:
        steps: of each value.
        patterns: that each text is matched with.
        numbers: what the numbers are that values are compared with: 1 for a whole one, more for a fraction.
        fractions: the same of the fractions alone, with which comparing a whole number takes long, too.
        unique: whether items are compared with each other.
    """

    steps: int
    patterns: int
    numbers: int
    fractions: int
    unique: bool

    @classmethod
    def of(cls, schema: Schema) -> Own:
        """The costs of a schema."""
        patterns = len(schema.get("patternProperties") or ()) + ("pattern" in schema)
        listed = sum(_listed(keyword, found) for keyword, found in schema.items())
        slow = sum(_STEPS_OF.get(keyword, 0) for keyword in schema)
        compared = size_of([schema[word] for word in _COMPARING if word in schema], DEEPEST + 1)
        steps = 1 + len(schema) // 4 + listed + slow + patterns * _PATTERN_STEPS
        return cls(steps, patterns, compared.whole + compared.others, compared.others, "uniqueItems" in schema)

    def compared(self, size: Size) -> int:
        """How much comparing of numbers there is with a value."""
        alike = size.long * size.others if self.unique else 0  # the library has one hash for all long numbers
        return size.whole * self.fractions + size.others * self.numbers + alike


class Cost:
    """How many steps one value takes at the most, references written out; a loop is gone through once.

    Args:
        most: steps.
    """

    def __init__(self, root: Schema, most: int) -> None:
        self.recursive = False
        self.total = Own(0, 0, 0, 0, unique=False)
        self._root = root
        self._most = most
        self._own: dict[int, Own] = {}
        self._visit(root, 1, {})

    def own(self, schema: Schema) -> Own:
        """What a schema within this one costs by itself."""
        found = self._own.get(id(schema))
        if found is None:
            found = self._own[id(schema)] = Own.of(schema)
        return found

    def _visit(self, schema: Schema, weight: int, open_references: Mapping[str, bool], chained: int = 0) -> None:
        """Count a schema; ``open_references`` are those that it is within, and whether for the same value."""
        self._add(schema, weight)
        if chained > _MOST_CHAINED:
            raise no_schema(f"more than {_MOST_CHAINED} schemas within each other are for the same value")
        weight *= 2 if any(keyword in schema for keyword in ("unevaluatedItems", "unevaluatedProperties")) else 1
        below = dict.fromkeys(open_references, False)
        for keyword, inner in inner_schemas(schema):
            here = keyword in HERE
            self._visit(inner, weight, open_references if here else below, chained + 1 if here else 0)
        if "$ref" in schema:
            self._follow(schema["$ref"], weight, open_references, chained)

    def _follow(self, reference: object, weight: int, open_references: Mapping[str, bool], chained: int) -> None:
        target = resolve(self._root, reference)
        if open_references.get(str(reference)):
            raise no_schema(f"the reference {reference!r} leads to itself")
        if str(reference) in open_references:
            self.recursive = True
            return
        if len(open_references) >= _MOST_REFERENCES:
            raise no_schema(f"more than {_MOST_REFERENCES} references lead to each other")
        self._visit(target, weight, {**open_references, str(reference): True}, chained + 1)

    def _add(self, schema: Schema, weight: int) -> None:
        if schema is not self._root and (refused := [word for word in _REFUSED if isinstance(schema.get(word), str)]):
            raise no_schema(f"{refused[0]} is not taken; refer to a place as in {{'$ref': '#/$defs/name'}}")
        own, total = self.own(schema), self.total
        total.steps += weight * own.steps
        total.numbers += weight * own.numbers
        total.fractions += weight * own.fractions
        total.patterns += own.patterns
        total.unique |= own.unique
        if total.patterns > _MOST_PATTERNS:
            raise no_schema(f"it has more than {_MOST_PATTERNS} patterns, its references written out")
        if total.steps > self._most:
            rest = "; the schemas before it have taken the rest" if self._most < MOST_STEPS else ""
            raise no_schema(f"it takes more than {self._most} steps, its references written out{rest}")


class Counted:
    """Counts what a schema does with a value: if it is recursive, that may double with each level."""

    def __init__(self, root: Schema, cost: Cost, whole: Size) -> None:
        self._root, self._cost, self._whole = root, cost, whole
        self._steps = self._checks = self._matched = self._compared = 0

    def count(self, schema: Schema, value: Any) -> None:
        """Raise InvalidRequest if it is too much."""
        own = self._cost.own(schema)
        size = self._size(own, value)
        self._steps += 1 + own.steps // _STEPS_A_COUNT
        self._checks += own.steps * size.units
        self._compared += own.compared(size)
        self._matched += _matched(schema, value)
        self._check()
        for keyword, inner in inner_schemas(schema):
            for each in _subjects(keyword, value):
                self.count(inner, each)
        for name, inner in _named(schema):
            if isinstance(value, dict) and name in value:
                self.count(inner, value[name])
        if "$ref" in schema:
            self.count(resolve(self._root, schema["$ref"]), value)

    def _size(self, own: Own, value: Any) -> Size:
        if isinstance(value, (dict, list, tuple)):
            # What a keyword does with all of it is done with each of its levels.
            return self._whole if own.unique else Size(others=self._whole.heaviest)
        size = Size()
        size.take(value)
        return size

    def _check(self) -> None:
        if self._steps > _MOST_COUNTED or self._checks > MOST_CHECKS:
            raise InvalidRequest(
                f"to check the arguments takes more than {_MOST_COUNTED} steps",
                hint="nest them less, or make the schema simpler",
            )
        if self._matched > MOST_MATCHED:
            raise InvalidRequest(
                f"the schema's patterns are for more than {MOST_MATCHED} characters", hint="give those no pattern"
            )
        if self._compared > MOST_COMPARED:
            raise InvalidRequest(
                f"to check the arguments takes more than {MOST_COMPARED} comparisons of numbers",
                hint="nest them less, or leave out minimum, maximum, multipleOf, const and enum",
            )


def _listed(keyword: str, found: object) -> int:
    """The steps of what a keyword lists; the schemas among that are counted by themselves."""
    if keyword in _UNREAD:
        return 0
    if keyword in HERE or keyword in BELOW:
        return sum(_extent(each) for each in entries(keyword, found) if not isinstance(each, dict))
    nested = isinstance(found, list) and any(isinstance(each, (dict, list)) for each in found)
    return (_extent(found) - 1) * (_STEPS_OF_NESTED if nested else 1)


def _extent(found: object) -> int:
    return size_of(found, DEEPEST).values


def _subjects(keyword: str, value: Any) -> Sequence[Any]:
    """What a keyword's schemas are for; those of named properties are found by their names."""
    if keyword in HERE:
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
