"""Checking values with schemas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jsonschema_rs
import orjson

from ..errors import InvalidRequest, TooLarge
from .costs import MOST_CHECKS, MOST_COMPARED, MOST_MATCHED, MOST_STEPS, Cost, Counted
from .reading import clipped, no_schema, readable
from .sizes import Size, size_of

_DEEPEST_VALUE = 200
# Steps of a check whose fault is told: the library writes the value down for each schema that it breaks.
_MOST_TOLD = 200_000
# Of a pattern made ready, and of all those of a schema: a few characters can become as much.
_MOST_OF_PATTERN, _MOST_OF_PATTERNS = 256 * 1024, 1024 * 1024


def check_schema(schema: object) -> None:
    """See that something is a JSON schema that values can be checked with.

    Raises:
        InvalidRequest: if it is none, or would be dangerous.
    """
    Checker(schema)


class Checker:
    """Checks values against one schema.

    Args:
        most_steps: that a check with it may take, where that is less than any schema may.

    Raises:
        InvalidRequest: if that is none, or would be dangerous.
    """

    def __init__(self, schema: object, most_steps: int = MOST_STEPS) -> None:
        self._schema = readable(schema)
        with _refusing():
            jsonschema_rs.meta.validate(self._schema)
        self._cost = Cost(self._schema, min(most_steps, MOST_STEPS))
        with _refusing():
            self._validator = jsonschema_rs.validator_for(
                self._schema, offline=True, validate_formats=False, pattern_options=_bounded(self.patterns)
            )

    @property
    def size(self) -> int:
        """How many bytes the schema has as JSON."""
        return len(orjson.dumps(self._schema))

    @property
    def steps(self) -> int:
        """How many steps a check of one value takes at the most, the schema's references written out."""
        return self._cost.total.steps

    @property
    def patterns(self) -> int:
        """How many patterns are in the schema, its references written out."""
        return self._cost.total.patterns

    def check(self, value: Any) -> None:
        """See that a value in JSON's types is what the schema says.

        Raises:
            InvalidRequest: if it is not; it says where, and what.
            TooLarge: if it is so large that the check would take too long.
        """
        size = size_of(value, _DEEPEST_VALUE)
        self._admit(size)
        if self._cost.recursive or size.characters * self._cost.total.patterns > MOST_MATCHED:
            Counted(self._schema, self._cost, size).count(self._schema, value)
        try:
            valid = self._validator.is_valid(value)
        except ValueError as error:
            raise InvalidRequest(f"the arguments cannot be checked: {clipped(str(error))}") from None
        if not valid:
            raise self._fault(value, size)

    def _admit(self, size: Size) -> None:
        total = self._cost.total
        if size.units * total.steps > MOST_CHECKS:
            raise TooLarge(
                f"{size.values} values with {size.characters} characters are too many for a schema of {total.steps} "
                "steps to check",
                hint="pass fewer, or make the schema simpler",
            )
        if total.compared(size) > MOST_COMPARED:
            raise TooLarge(
                f"{size.values} values take more than {MOST_COMPARED} comparisons with the schema's numbers",
                hint="pass large data as one string, or leave out minimum, maximum, multipleOf, const and enum",
            )

    def _fault(self, value: Any, size: Size) -> InvalidRequest:
        if size.units * self._cost.total.steps <= _MOST_TOLD:
            try:
                self._validator.validate(value)
            except jsonschema_rs.ValidationError as error:
                return InvalidRequest(f"{place(error.instance_path)}: {clipped(error.message)}")
        return InvalidRequest("the arguments are not what the schema says; they are too large to tell where")


def _bounded(patterns: int) -> jsonschema_rs.RegexOptions:
    most = min(_MOST_OF_PATTERN, _MOST_OF_PATTERNS // max(1, patterns))
    return jsonschema_rs.RegexOptions(size_limit=most, dfa_size_limit=_MOST_OF_PATTERNS)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise no_schema(clipped(str(getattr(error, "message", error)))) from None


def place(path: Sequence[str | int]) -> str:
    """Where something is in arguments, for a message."""
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return clipped(named.lstrip(".")) or "the arguments"
