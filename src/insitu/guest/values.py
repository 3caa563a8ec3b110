"""Python values as JSON and back, for what crosses between programs: arguments, results, what tools are given.

JSON's own types are themselves, a tuple is a list, and every other type has one form: an object whose ``$type`` names
it. What has none is refused by its name. Nothing here ever runs code that the JSON brings along.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import sys
import uuid
from typing import Any, Callable

MIME = "application/vnd.insitu.value+json"
TYPE = "$type"

# As deep as any honest value, and far from where Python's own functions give up.
_DEEPEST = 100
# Numbers that every reader of JSON has.
_INT = 1 << 63
_MOST_DIGITS = 100_000

Json = Any
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class NotEncodable(TypeError):
    """Raised for a value that has no form in JSON; it says which, and where."""


class NotDecodable(ValueError):
    """Raised for JSON whose ``$type`` is unknown, or does not hold what it should."""


NotEncodable.__module__ = NotDecodable.__module__ = "builtins"


class Encoder:
    """Turns one value into what ``json`` can write.

    Args:
        most_bytes: about as much as its JSON may have.
        most_values: as many as it may hold in all.
    """

    def __init__(self, most_bytes: int, most_values: int = 400_000) -> None:
        self._most_bytes, self._most_values = most_bytes, most_values
        self._bytes = self._values = 0

    def encode(self, value: Any, path: str = "the value", depth: int = 0) -> Json:
        """The value in JSON's types.

        Raises:
            NotEncodable: if it, or something in it, has no form, or it is too much.
        """
        if isinstance(value, str):
            self._count(path, len(value))
            return str(value)
        self._count(path, 8)
        if value is None or isinstance(value, bool):
            return value
        if depth > _DEEPEST:
            raise NotEncodable(f"{path} is nested deeper than {_DEEPEST}, or holds itself")
        if isinstance(value, int):
            return int(value) if -_INT <= value < _INT else self._tagged("int", value=self._digits(value, path))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else self._tagged("float", value=repr(float(value)))
        if isinstance(value, (list, tuple)):
            return [self.encode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return self._mapping(value, path, depth)
        return self._other(value, path, depth)

    def _mapping(self, value: dict[Any, Any], path: str, depth: int) -> Json:
        if all(isinstance(key, str) for key in value) and TYPE not in value:
            self._count(path, sum(map(len, value)))
            return {str(key): self.encode(item, f"{path}[{key!r}]", depth + 1) for key, item in value.items()}
        items = [[key, item] for key, item in value.items()]
        return self._tagged("dict", items=self.encode(items, f"{path}.items()", depth + 1))

    def _other(self, value: Any, path: str, depth: int) -> Json:
        for kind in type(value).__mro__:
            found = _FORMS.get(f"{kind.__module__}.{kind.__qualname__}")
            if found is not None:
                name, form = found
                fields = form(self, value)
                if name is None:
                    return self.encode(fields, path, depth + 1)
                inner = {key: self.encode(item, f"{path}.{key}", depth + 1) for key, item in fields.items()}
                return self._tagged(name, **inner)
        raise NotEncodable(
            f"{path} is of type {_name(type(value))}, which has no form in JSON; "
            "make it numbers, text, bytes, dates, lists, dicts, sets, numpy arrays or pandas frames"
        )

    def _count(self, path: str, size: int) -> None:
        self._bytes += size
        self._values += 1
        if self._bytes > self._most_bytes:
            raise NotEncodable(f"{path} is too much: all of it has more than {self._most_bytes} bytes as JSON")
        if self._values > self._most_values:
            raise NotEncodable(f"{path} is too much: all of it holds more than {self._most_values} values")

    def check(self, size: int, values: int, path: str = "the value") -> None:
        """Refuse what is too much before it is copied."""
        if self._bytes + size > self._most_bytes or self._values + values > self._most_values:
            raise NotEncodable(
                f"{path} is too much: {size} bytes and {values} values; "
                f"at most {self._most_bytes} bytes and {self._most_values} values cross as JSON"
            )

    def _digits(self, value: int, path: str) -> str:
        if value.bit_length() > _MOST_DIGITS:
            raise NotEncodable(f"{path} is a number of {value.bit_length()} bits; at most {_MOST_DIGITS} cross")
        return hex(value)

    def _tagged(self, name: str, /, **fields: Json) -> Json:
        return {TYPE: name, **fields}


def within(value: Any, most_bytes: int) -> Json:
    """A value in JSON's types, if its JSON has no more than so many bytes.

    Raises:
        NotEncodable: if it, or something in it, has no form, or it is too much.
    """
    encoded = Encoder(most_bytes).encode(value)
    size = len(_dumps(encoded).encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        raise NotEncodable(f"the value is too much: {size} bytes as JSON; at most {most_bytes} cross")
    return encoded


def dumps(value: Any, most_bytes: int = 1 << 62) -> str:
    """A value as JSON.

    Raises:
        NotEncodable: if it, or something in it, has no form, or it is too much.
    """
    return _dumps(within(value, most_bytes))


def decode(value: Json) -> Any:
    """The value that JSON's types stand for.

    Raises:
        NotDecodable: for a ``$type`` that is unknown or does not hold what it should.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TYPE not in value:
        return {key: decode(item) for key, item in value.items()}
    name = value[TYPE]
    make = _MAKERS.get(name) if isinstance(name, str) else None
    if make is None:
        raise NotDecodable(f"there is no {TYPE} {name!r}; there are: {', '.join(sorted(_MAKERS))}")
    fields = {key: decode(item) for key, item in value.items() if key != TYPE}
    try:
        return make(**fields)
    except ImportError as error:
        raise NotDecodable(f"a {name} needs {error.name}, which is not installed here") from None
    except Exception as error:
        raise NotDecodable(f"this is no {name}: {error}") from None


def _name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _base64(encoder: Encoder, value: Any) -> dict[str, Any]:
    encoder.check(len(value) * 4 // 3, 1)
    return {"base64": base64.b64encode(value).decode()}


def _array(encoder: Encoder, value: Any) -> dict[str, Any]:
    if value.dtype.hasobject or value.dtype.names is not None:
        encoder.check(value.size, value.size)
        return {"dtype": "object", "shape": list(value.shape), "data": value.ravel().tolist()}
    encoder.check(value.size, value.size)
    if value.dtype.kind in "mM":
        return {"dtype": str(value.dtype), "shape": list(value.shape), "data": value.astype("int64").ravel().tolist()}
    if value.dtype.kind == "c":
        flat = value.ravel()
        parts = [part for pair in zip(flat.real.tolist(), flat.imag.tolist()) for part in pair]
        return {"dtype": str(value.dtype), "shape": list(value.shape), "data": parts}
    return {"dtype": str(value.dtype), "shape": list(value.shape), "data": value.ravel().tolist()}


def _scalar(encoder: Encoder, value: Any) -> Any:
    plain = value.item()
    if isinstance(plain, type(value)) or type(plain).__module__ == "numpy":
        raise NotEncodable(f"a value of type {_name(type(value))} has no form in JSON")
    return plain


def _frame(encoder: Encoder, value: Any) -> dict[str, Any]:
    encoder.check(value.size, value.size)
    return {
        "columns": value.columns.tolist(),
        "index": value.index.tolist(),
        "dtypes": [str(kind) for kind in value.dtypes.tolist()],
        "data": [value.iloc[:, number].tolist() for number in range(value.shape[1])],
    }


def _series(encoder: Encoder, value: Any) -> dict[str, Any]:
    encoder.check(value.size, value.size)
    name, index = value.name, value.index.tolist()
    return {"name": name, "index": index, "dtype": str(value.dtype), "data": value.tolist()}


def _stamp(encoder: Encoder, value: Any) -> Any:
    return None if value is getattr(sys.modules.get("pandas"), "NaT", value) else value.to_pydatetime(warn=False)


_Form = Callable[[Encoder, Any], Any]
# By the class's full name, so that numpy and pandas are never imported here. Without a name of its own, a value
# becomes another that has a form.
_FORMS: dict[str, tuple[str | None, _Form]] = {
    "builtins.bytes": ("bytes", _base64),
    "builtins.bytearray": ("bytes", _base64),
    "builtins.memoryview": ("bytes", lambda encoder, value: _base64(encoder, value.tobytes())),
    "builtins.set": ("set", lambda _, value: {"items": _sorted(value)}),
    "builtins.frozenset": ("set", lambda _, value: {"items": _sorted(value)}),
    "builtins.complex": ("complex", lambda _, value: {"real": value.real, "imag": value.imag}),
    "builtins.range": (None, lambda _, value: list(value)),
    "datetime.datetime": ("datetime", lambda _, value: {"iso": value.isoformat()}),
    "datetime.date": ("date", lambda _, value: {"iso": value.isoformat()}),
    "datetime.time": ("time", lambda _, value: {"iso": value.isoformat()}),
    "datetime.timedelta": ("timedelta", lambda _, value: {"microseconds": value // datetime.timedelta(microseconds=1)}),
    "decimal.Decimal": ("decimal", lambda _, value: {"value": str(value)}),
    "uuid.UUID": ("uuid", lambda _, value: {"value": str(value)}),
    "numpy.ndarray": ("ndarray", _array),
    "numpy.generic": (None, _scalar),
    "pandas.core.frame.DataFrame": ("dataframe", _frame),
    "pandas.DataFrame": ("dataframe", _frame),
    "pandas.core.series.Series": ("series", _series),
    "pandas.Series": ("series", _series),
    "pandas.core.indexes.base.Index": (None, lambda _, value: value.tolist()),
    "pandas.Index": (None, lambda _, value: value.tolist()),
    "pandas._libs.tslibs.timestamps.Timestamp": (None, _stamp),
    "pandas.Timestamp": (None, _stamp),
    "pandas._libs.tslibs.nattype.NaTType": (None, lambda _, value: None),
    "pandas._libs.missing.NAType": (None, lambda _, value: None),
    "pandas.api.typing.NaTType": (None, lambda _, value: None),
    "pandas.api.typing.NAType": (None, lambda _, value: None),
}


def _sorted(value: Any) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        return list(value)


def _make_array(dtype: str, shape: list[int], data: list[Any]) -> Any:
    import numpy

    kind = numpy.dtype(dtype)
    if kind.kind == "c":
        flat = numpy.array(data, "float64")
        return (flat[0::2] + 1j * flat[1::2]).astype(kind).reshape(shape)
    if kind.kind in "mM":
        return numpy.array(data, "int64").astype(kind).reshape(shape)
    return numpy.array(data, kind).reshape(shape)


def _make_frame(columns: list[Any], index: list[Any], dtypes: list[str], data: list[list[Any]]) -> Any:
    import pandas

    parts = [pandas.Series(part, index, dtype=dtype) for part, dtype in zip(data, dtypes)]
    frame = pandas.concat(parts, axis=1) if parts else pandas.DataFrame(index=index)
    frame.columns = pandas.Index(columns)
    return frame


def _make_series(name: Any, index: list[Any], dtype: str, data: list[Any]) -> Any:
    import pandas

    return pandas.Series(data, index, dtype=dtype, name=name)


_MAKERS: dict[str, Callable[..., Any]] = {
    "int": lambda value: int(value, 16),
    "float": lambda value: float(value),
    "bytes": lambda base64: _decode_base64(base64),
    "set": lambda items: set(items),
    "dict": lambda items: dict(items),
    "complex": lambda real, imag: complex(real, imag),
    "datetime": lambda iso: datetime.datetime.fromisoformat(iso),
    "date": lambda iso: datetime.date.fromisoformat(iso),
    "time": lambda iso: datetime.time.fromisoformat(iso),
    "timedelta": lambda microseconds: datetime.timedelta(microseconds=microseconds),
    "decimal": lambda value: decimal.Decimal(value),
    "uuid": lambda value: uuid.UUID(value),
    "ndarray": _make_array,
    "dataframe": _make_frame,
    "series": _make_series,
}


def _decode_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
