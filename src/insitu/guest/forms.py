"""The types that have a form in JSON beside JSON's own: how each is written, and read again.

Classes are known by their names, so that numpy and pandas are never imported for a value that has none of them.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from typing import Any, Callable, NamedTuple

# Refuses so many bytes and values before they are copied.
Check = Callable[[int, int], None]
Fields = dict[str, Any]


class Unfit(Exception):
    """Raised for a value that has no form; the text goes on from where it is: "is of type …"."""


class Form(NamedTuple):
    """How values of one type cross.

    Args:
        fields: what the object has beside its ``$type``, in the order of ``read``'s arguments.
        write: gives those of a value; they are encoded in their turn.
        read: makes the value of them.
    """

    fields: tuple[str, ...]
    write: Callable[[Any, Check], tuple[Any, ...]]
    read: Callable[..., Any]


def hashable(value: Any) -> Any:
    """A value as it was when it was a key, or in a set: no list is one."""
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return frozenset(value) if isinstance(value, set) else value


def _items(items: list[Any]) -> list[Any]:
    if not isinstance(items, list):
        raise TypeError("its items are no list")
    return items


def _sorted(value: Any, check: Check) -> tuple[Any, ...]:
    check(len(value), len(value))
    try:
        return (sorted(value),)
    except TypeError:
        return (list(value),)


def _base64(value: Any, check: Check) -> tuple[Any, ...]:
    check(memoryview(value).nbytes * 4 // 3, 1)
    return (base64.b64encode(bytes(value)).decode(),)


def _time(kind: Any) -> Callable[[str], Any]:
    # The Z that JavaScript writes is nothing to Python before 3.11.
    return lambda iso: kind.fromisoformat(f"{iso[:-1]}+00:00" if iso.endswith("Z") else iso)


def _microseconds(value: Any, check: Check) -> tuple[Any, ...]:
    return (value // datetime.timedelta(microseconds=1),)


def _of_numpy(name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        from . import arrays

        return getattr(arrays, name)(*arguments)

    return call


def _of_pandas(name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        from . import frames

        return getattr(frames, name)(*arguments)

    return call


FORMS: dict[str, Form] = {
    "int": Form(("value",), lambda value, check: (hex(value),), lambda value: int(value, 16)),
    "float": Form(("value",), lambda value, check: (repr(value),), lambda value: float(value)),
    "complex": Form(("real", "imag"), lambda value, check: (value.real, value.imag), complex),
    "bytes": Form(("base64",), _base64, lambda text: base64.b64decode(text, validate=True)),
    "set": Form(("items",), _sorted, lambda items: set(map(hashable, _items(items)))),
    "dict": Form(
        ("items",),
        lambda value, check: (list(value.items()),),
        lambda items: {hashable(key): item for key, item in _items(items)},
    ),
    "datetime": Form(("iso",), lambda value, check: (value.isoformat(),), _time(datetime.datetime)),
    "date": Form(("iso",), lambda value, check: (value.isoformat(),), datetime.date.fromisoformat),
    "time": Form(("iso",), lambda value, check: (value.isoformat(),), _time(datetime.time)),
    "timedelta": Form(("microseconds",), _microseconds, lambda number: datetime.timedelta(microseconds=number)),
    "decimal": Form(("value",), lambda value, check: (str(value),), lambda value: decimal.Decimal(value)),
    "uuid": Form(("value",), lambda value, check: (str(value),), lambda value: uuid.UUID(value)),
    "ndarray": Form(("dtype", "shape", "data"), _of_numpy("write"), _of_numpy("read")),
    "series": Form(("name", "index", "dtype", "data"), _of_pandas("write_series"), _of_pandas("read_series")),
    "dataframe": Form(("columns", "index", "dtypes", "data"), _of_pandas("write_frame"), _of_pandas("read_frame")),
}

# By the class's full name: which form its values have.
NAMES: dict[str, str] = {
    "builtins.bytes": "bytes",
    "builtins.bytearray": "bytes",
    "builtins.memoryview": "bytes",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "builtins.complex": "complex",
    "datetime.datetime": "datetime",
    "datetime.date": "date",
    "datetime.time": "time",
    "datetime.timedelta": "timedelta",
    "decimal.Decimal": "decimal",
    "uuid.UUID": "uuid",
    "numpy.ndarray": "ndarray",
    "pandas.core.frame.DataFrame": "dataframe",
    "pandas.DataFrame": "dataframe",
    "pandas.core.series.Series": "series",
    "pandas.Series": "series",
}

# Likewise: the other value that they become.
STAND_INS: dict[str, Callable[[Any], Any]] = {
    "builtins.range": list,
    "enum.Enum": lambda value: value.value,
    "numpy.generic": _of_numpy("scalar"),
    "pandas.core.indexes.base.Index": lambda value: value.tolist(),
    "pandas.Index": lambda value: value.tolist(),
    "pandas._libs.tslibs.timestamps.Timestamp": lambda value: value.to_pydatetime(warn=False),
    "pandas.Timestamp": lambda value: value.to_pydatetime(warn=False),
    "pandas._libs.tslibs.nattype.NaTType": lambda value: None,
    "pandas.api.typing.NaTType": lambda value: None,
    "pandas._libs.missing.NAType": lambda value: None,
    "pandas.api.typing.NAType": lambda value: None,
}
