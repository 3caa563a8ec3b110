"""How large values are for the checks of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequest

# Of a whole number: comparing takes the square of its length.
_MOST_BITS = 4096
# What is done with a text is done with so many of its characters in the time that another value takes.
_CHARACTERS_A_VALUE = 32
# Whole numbers up to this size are compared as the processor does it.
_WORD_BITS = 63


@dataclass(slots=True)
class Size:
    """How much there is in a value.

    Args:
        values: itself, and all in it.
        characters: of all texts.
        whole: how many whole numbers of one machine word.
        others: what comparing each other number once takes, of which there are fractions and long whole numbers.
        long: how many long whole numbers.
        heaviest: what comparing one of the numbers takes at the most.
    """

    values: int = 1
    characters: int = 0
    whole: int = 0
    others: int = 0
    long: int = 0
    heaviest: int = 1

    @property
    def units(self) -> int:
        """How many values take as long, if texts are short."""
        return self.values + self.characters // _CHARACTERS_A_VALUE

    def take(self, value: Any) -> None:
        """Count a value that holds no others."""
        kind = type(value)
        if kind is str:
            self.characters += len(value)
        elif kind is float or kind is int:
            weight = _of_fraction(value) if kind is float else _of_whole(value)
            if weight:
                self.others += weight
                self.heaviest = max(self.heaviest, weight)
                self.long += kind is int
            else:
                self.whole += 1


# What comparing a number exactly takes: 1 is some 3 microseconds.
def _of_fraction(number: float) -> int:
    if not math.isfinite(number):  # it would be checked as null
        raise InvalidRequest(f"JSON has no {number}", hint="pass None, or a string")
    return 1 + abs(math.frexp(number)[1]) // 32


def _of_whole(number: int) -> int:
    bits = number.bit_length()
    if bits > _MOST_BITS:
        raise InvalidRequest(f"a number has {bits} bits; {_MOST_BITS} is the most", hint="pass it as a string")
    return 1 + bits // 32 if bits > _WORD_BITS else 0


def size_of(value: Any, deepest: int) -> Size:
    """How large a value is.

    Raises:
        InvalidRequest: if it is nested deeper than so many levels, or a number in it has too many digits, or is none.
    """
    size = Size()
    level = [value]
    for _ in range(deepest + 2):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                size.values += len(each)
                size.characters += sum(map(len, each))
                inner += each.values()
            elif isinstance(each, (list, tuple)):
                size.values += len(each)
                inner += each
            else:
                size.take(each)
        if not inner:
            return size
        level = inner
    raise InvalidRequest(f"it is nested deeper than {deepest} levels")
