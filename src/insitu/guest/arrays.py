"""numpy's arrays and scalars in JSON, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy

from .forms import Check, Unfit

_DTYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)|str|bytes|object|(datetime64|timedelta64)(\[\w+\])?"
)
_NOT_A_TIME = -(1 << 63)


def write(value: Any, check: Check) -> tuple[Any, ...]:
    """The dtype, the shape, and all elements in one list; null where a number or a time is missing."""
    check(value.size, value.size)
    dtype = {"U": "str", "S": "bytes"}.get(value.dtype.kind) or value.dtype.name
    if not _DTYPE.fullmatch(dtype) or isinstance(value, numpy.ma.MaskedArray):
        raise Unfit(f"is a {type(value).__name__} of dtype {value.dtype}, which has no form in JSON; see astype()")
    # In the machine's own order of bytes: numpy gives the text of times in another one wrong.
    return dtype, list(value.shape), _elements(value.astype(value.dtype.newbyteorder("=")).ravel(), value.dtype.kind)


def _elements(flat: Any, kind: str) -> list[Any]:
    if kind == "M":
        return iso(flat)
    if kind == "m":
        return counts(flat)
    if kind == "c":
        flat = flat.astype("complex128").view("float64")
    if kind in "fc":
        return [None if number != number else number for number in flat.tolist()]
    elements: list[Any] = flat.tolist()
    return elements


def read(dtype: str, shape: list[int], data: list[Any]) -> Any:
    """The array that :func:`write` was given."""
    if not _DTYPE.fullmatch(dtype):
        raise ValueError(f"its dtype {dtype!r} is unknown")
    return _flat(dtype, data).reshape(shape)


def _flat(dtype: str, data: list[Any]) -> Any:
    if dtype.startswith("complex"):
        return numpy.array(data, "float64").view("complex128").astype(dtype)
    if dtype.startswith("timedelta64"):
        return from_counts(data, dtype)
    if dtype == "object":
        flat = numpy.empty(len(data), object)
        for index, item in enumerate(data):  # one by one: lists would become further dimensions
            flat[index] = item
        return flat
    # As wide as the longest: who could name a width could name a huge one.
    return numpy.array(data, {"str": "U", "bytes": "S"}.get(dtype, dtype))


def scalar(value: Any) -> Any:
    """The value of Python's own that a scalar stands for."""
    if value.dtype.kind in "mM":
        value = value.astype(f"{value.dtype.kind}8[us]")
    plain = value.item()
    if isinstance(plain, numpy.generic) or (value.dtype.kind in "mM" and isinstance(plain, int)):
        raise Unfit(f"is a scalar of dtype {value.dtype}, which has no form in JSON")
    return plain


def iso(times: Any) -> list[Any]:
    """Moments as text, to their last digit."""
    return [None if text == "NaT" else text for text in numpy.datetime_as_string(times).tolist()]


def counts(spans: Any) -> list[Any]:
    """Spans of time as numbers of their unit."""
    return [None if number == _NOT_A_TIME else number for number in spans.astype("int64").tolist()]


def from_counts(data: list[Any], dtype: str) -> Any:
    """The inverse of :func:`counts`."""
    return numpy.array([_NOT_A_TIME if number is None else number for number in data], "int64").astype(dtype)
