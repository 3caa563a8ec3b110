"""The table of how values cross as JSON, made by letting some cross."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import numpy
import pandas

from insitu.guest import values
from insitu.guest.forms import FORMS

_TIME = datetime.datetime(2024, 1, 2, 3, 4, 5)
_FRAME = pandas.DataFrame({"n": [1, 2], "x": [0.5, None]})

# Of what type it is, in words; what crosses; and what comes back, if that is not the same.
_EXAMPLES: tuple[tuple[str, Any, str], ...] = (
    ("`None`, `bool`, `str`", [None, True, "é"], ""),
    ("`int`, `float`", [1, 1.5], ""),
    ("`list`, `tuple`, `range`", (1, 2), "a `list`"),
    ("`dict` whose keys are text", {"a": 1}, ""),
    ("other `dict`", {(1, 2): "a"}, ""),
    ("`int` of more than 64 bits", 1 << 64, ""),
    ("NaN, infinity", float("nan"), ""),
    ("`complex`", 1 + 2j, ""),
    ("`bytes`, `bytearray`, `memoryview`", b"\x00\xff", "`bytes`"),
    ("`set`, `frozenset`", {1, 2}, "a `set`"),
    ("`datetime`", _TIME, "the same, without `fold`"),
    ("`date`", _TIME.date(), ""),
    ("`time`", _TIME.time(), "the same, without `fold`"),
    ("`timedelta`", datetime.timedelta(seconds=1.5), ""),
    ("`Decimal`", decimal.Decimal("1.50"), ""),
    ("`UUID`", uuid.UUID(int=1), ""),
    ("numpy scalar", numpy.float32(1.5), "Python's own; `datetime64` as `datetime`"),
    ("numpy array", numpy.array([[1.0, float("nan")]]), "the same; strings as wide as the longest"),
    ("numpy array of times", numpy.array(["2024-01-02", "NaT"], "datetime64[D]"), ""),
    ("pandas `Timestamp`, `Timedelta`", pandas.Timestamp(_TIME), "Python's own, to the microsecond"),
    ("pandas `NaT`, `NA`", pandas.NA, "`None`"),
    ("pandas `Index`", pandas.Index([1, 2]), "a `list`"),
    ("pandas `Series`", _FRAME["x"], "the same, without `freq` and categories that no row has"),
    ("pandas `DataFrame`", _FRAME, "the same, without `freq` and categories that no row has"),
)


def encodings() -> str:
    """A table of the types that cross."""
    rows = [f"| {name} | `{_json(value)}` | {back or 'the same'} |" for name, value, back in _EXAMPLES]
    missing = [tag for tag in FORMS if f'"$type": "{tag}"' not in "".join(rows)]
    assert not missing, f"the table has no example of {missing}"
    return "\n".join(["| in Python | as JSON | what comes back is |\n|---|---|---|", *rows])


def _json(value: Any) -> str:
    return values.dumps(value).replace(",", ", ").replace('":', '": ')
