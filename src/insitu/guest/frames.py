"""pandas' frames and series in JSON, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy
import pandas

from .arrays import counts, from_counts, iso
from .forms import Check, Unfit, hashable

_DTYPE = re.compile(
    r"bool|boolean|object|str|string|category|(u?int|U?Int)(8|16|32|64)|float(16|32|64)|Float(32|64)|complex(64|128)"
    r"|(?P<time>datetime64|timedelta64)\[(?P<unit>s|ms|us|ns)(, (?P<zone>[\w/+:-]+))?\]"
)


def write_frame(value: Any, check: Check) -> tuple[Any, ...]:
    """The names of columns and rows, the dtypes, and a list for each column."""
    check(value.size, value.size)
    columns = [_column(value.iloc[:, number]) for number in range(value.shape[1])]
    index = _axis(value.index, always=not columns)
    return _axis(value.columns), index, [dtype for dtype, _ in columns], [data for _, data in columns]


def read_frame(columns: Any, index: Any, dtypes: list[str], data: list[list[Any]]) -> Any:
    """The frame that :func:`write_frame` was given."""
    if len(dtypes) != len(data):
        raise ValueError(f"it has {len(data)} columns and {len(dtypes)} dtypes")
    rows = _read_axis(index)
    parts = {number: _read_column(dtype, part) for number, (dtype, part) in enumerate(zip(dtypes, data))}
    frame = pandas.DataFrame(parts) if parts else pandas.DataFrame(index=rows)
    if rows is not None:
        frame.index = rows
    if columns is not None:
        frame.columns = _read_axis(columns)
    return frame


def write_series(value: Any, check: Check) -> tuple[Any, ...]:
    """The name, the names of rows, the dtype and the data."""
    check(value.size, value.size)
    dtype, data = _column(value)
    return value.name, _axis(value.index), dtype, data


def read_series(name: Any, index: Any, dtype: str, data: list[Any]) -> Any:
    """The series that :func:`write_series` was given."""
    series = _read_column(dtype, data)
    series.name = hashable(name)
    if index is not None:
        series.index = _read_axis(index)
    return series


def _axis(index: Any, always: bool = False) -> Any:
    """Labels: none if they just count from 0, a list if that says all."""
    plain = index.nlevels == 1 and index.name is None
    if plain and isinstance(index, pandas.RangeIndex) and (index.start, index.step) == (0, 1) and not always:
        return None
    labels = index.tolist()
    if plain and labels and (all(type(x) is str for x in labels) or (index.dtype == "int64")):
        return labels
    levels = [_column(index.get_level_values(number)) for number in range(index.nlevels)]
    return {
        "names": list(index.names),
        "dtypes": [dtype for dtype, _ in levels],
        "data": [data for _, data in levels],
    }


def _read_axis(axis: Any) -> Any:
    if axis is None or isinstance(axis, list):
        return axis if axis is None else pandas.Index(axis)
    names = [hashable(name) for name in axis["names"]]
    levels = [
        pandas.Index(_read_column(dtype, list(map(hashable, data))), name=name)
        for name, dtype, data in zip(names, axis["dtypes"], axis["data"])
    ]
    return levels[0] if len(levels) == 1 else pandas.MultiIndex.from_arrays(levels, names=names)


def _column(values: Any) -> tuple[str, list[Any]]:
    dtype = str(values.dtype)
    known = _DTYPE.fullmatch(dtype)
    if known is None:
        raise Unfit(f"has data of dtype {dtype}, which has no form in JSON; see astype()")
    if known["time"] == "timedelta64":
        return dtype, counts(values.to_numpy(dtype))
    if known["time"]:
        zone = "Z" if known["zone"] else ""
        moments = iso(values.to_numpy(f"datetime64[{known['unit']}]"))
        return dtype, [text and text + zone for text in moments]
    if dtype == "object":
        return dtype, values.tolist()
    missing = values.isna().tolist()
    return dtype, [None if absent else item for item, absent in zip(values.tolist(), missing)]


def _read_column(dtype: str, data: list[Any]) -> Any:
    known = _DTYPE.fullmatch(dtype)
    if known is None:
        raise ValueError(f"its dtype {dtype!r} is unknown")
    if known["time"] == "timedelta64":
        return pandas.Series(from_counts(data, dtype))
    if known["time"]:
        texts = [text and text.replace("Z", "") for text in data]
        moments = pandas.Series(numpy.array(texts, f"datetime64[{known['unit']}]"))
        return moments.dt.tz_localize("UTC").dt.tz_convert(known["zone"]) if known["zone"] else moments
    return pandas.Series(data, dtype=dtype)
