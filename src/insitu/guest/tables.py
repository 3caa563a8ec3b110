"""DataFrames and Series as data."""

from __future__ import annotations

import sys
from typing import Any

_MOST_ROWS = 100
_MOST_COLUMNS = 200
_MOST_CELLS = 10_000
_MOST_CHARS = 1000


def records_of(value: Any) -> dict[str, Any] | None:
    """Return the head of a DataFrame or Series as strict JSON, or None for anything else.

    Returns:
        ``columns`` (names, the index's first unless it only counts), ``records`` (up to 100 rows, dicts),
        ``rows`` (how many there are in all). What JSON cannot say becomes null (NaN, infinity) or text.
    """
    pandas = sys.modules.get("pandas")
    try:
        if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
            return None
        return _records(pandas, value)
    except Exception:
        return None


def _records(pandas: Any, value: Any) -> dict[str, Any]:
    if isinstance(value, pandas.Series):
        value = value.to_frame("value" if value.name is None else value.name)
    width = min(value.shape[1], _MOST_COLUMNS)
    head = value.iloc[: min(_MOST_ROWS, max(1, _MOST_CELLS // max(1, width))), :width]
    names, columns = _index(pandas, head.index)
    for at in range(width):
        names.append(_unique(_label(head.columns[at]), names))
        columns.append([_plain(item) for item in head.iloc[:, at].tolist()])
    records = [dict(zip(names, row)) for row in zip(*columns)]
    return {"columns": names, "records": records, "rows": len(value)}


def _index(pandas: Any, index: Any) -> tuple[list[str], list[list[Any]]]:
    if index.name is None and (isinstance(index, pandas.RangeIndex) or not len(index)):
        return [], []
    names: list[str] = []
    for level, name in enumerate(index.names):
        fallback = "index" if index.nlevels == 1 else f"level_{level}"
        names.append(_unique(fallback if name is None else _label(name), names))
    levels = [index.get_level_values(level).tolist() for level in range(index.nlevels)]
    return names, [[_plain(item) for item in level] for level in levels]


def _label(name: Any) -> str:
    if isinstance(name, tuple):
        return " / ".join(str(part) for part in name if part != "")
    return str(name)[:_MOST_CHARS]


def _unique(name: str, taken: list[str]) -> str:
    wanted, number = name, 0
    while name in taken:
        number += 1
        name = f"{wanted}.{number}"
    return name


def _plain(item: Any) -> Any:
    kind = type(item)
    if kind is str:
        return item[:_MOST_CHARS]
    if kind is int and item.bit_length() <= 1024:
        return item
    if kind is float:
        return item if item - item == 0 else None
    if item is None or kind is bool:
        return item
    return _unusual(item)


def _unusual(item: Any) -> Any:
    if _is_missing(item):
        return None
    if hasattr(item, "isoformat"):
        return item.isoformat()
    if hasattr(item, "item") and getattr(item, "shape", None) == ():
        return _plain(item.item())
    return str(item)[:_MOST_CHARS]


def _is_missing(item: Any) -> bool:
    try:
        return bool(item != item)
    except Exception:
        return type(item).__name__ == "NAType"
