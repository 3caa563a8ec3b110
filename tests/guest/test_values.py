"""Values cross as JSON and come back as they were."""

from __future__ import annotations

import datetime
import json
import math
import subprocess
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insitu.engine.bulk import Bulk
from insitu.guest import values
from insitu.guest.forms import FORMS
from insitu.guest.values import NotDecodable, NotEncodable
from tests.support.pythons import find_python

from .test_other_pythons import MINORS

SOURCES = Path(__file__).parents[2] / "src"
MOST = 10 << 20

zones = st.none() | st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
keys: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.dates() | st.uuids(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
scalars = (
    keys
    | st.floats()
    | st.complex_numbers()
    | st.decimals()
    # Which of two hours at the end of summer time is nothing that a time says once its offset is there.
    | st.datetimes(timezones=zones).map(lambda time: time.replace(fold=0))
    | st.times(timezones=zones).map(lambda time: time.replace(fold=0))
    | st.timedeltas()
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5) | st.sets(keys, max_size=5),
    max_leaves=20,
)


def crossed(value: Any) -> Any:
    """A value that has gone to the other side, as text."""
    return values.decode(json.loads(values.dumps(value, MOST)))


def plain(value: Any) -> str:
    """A value so that it can be compared: a tuple that was no key is a list, and NaN is like itself."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(plain, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{plain(key)}: {plain(item)}' for key, item in value.items())}}}"
    return repr(value)


@settings(deadline=None)
@given(anything)
def test_values_come_back_as_they_were(value: Any) -> None:
    assert plain(crossed(value)) == plain(value)


@settings(deadline=None)
@given(st.dictionaries(keys, st.integers()))
def test_keys_come_back_as_they_were(value: dict[Any, int]) -> None:
    assert crossed(value) == value


@settings(deadline=None)
@given(st.sets(keys))
def test_sets_come_back_as_they_were(value: set[Any]) -> None:
    assert crossed(value) == value


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ((1, "é", None, True, 1.5), [1, "é", None, True, 1.5]),
        ({"a": {"b": []}}, {"a": {"b": []}}),
        (1 << 63, {"$type": "int", "value": "0x8000000000000000"}),
        (-math.inf, {"$type": "float", "value": "-inf"}),
        (b"\0\xff", {"$type": "bytes", "base64": "AP8="}),
        ({2, 1}, {"$type": "set", "items": [1, 2]}),
        ({1: "a"}, {"$type": "dict", "items": [[1, "a"]]}),
        ({"$type": "int"}, {"$type": "dict", "items": [["$type", "int"]]}),
        (range(3), [0, 1, 2]),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), {"$type": "datetime", "iso": "2024-01-02T03:04:05"}),
        (datetime.timedelta(seconds=1), {"$type": "timedelta", "microseconds": 1_000_000}),
        (Decimal("1.50"), {"$type": "decimal", "value": "1.50"}),
        (uuid.UUID(int=1), {"$type": "uuid", "value": "00000000-0000-0000-0000-000000000001"}),
    ],
    ids=repr,
)
def test_each_value_has_one_form(value: Any, encoded: Any) -> None:
    assert json.loads(values.dumps(value)) == encoded


def test_a_time_of_another_languages_library_is_read() -> None:
    assert values.decode({"$type": "datetime", "iso": "2024-01-02T03:04:05.250Z"}) == datetime.datetime(
        2024, 1, 2, 3, 4, 5, 250_000, datetime.UTC
    )


class Opaque:
    pass


def _endless() -> list[Any]:
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    return holds_itself


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "the value is of type object, which has no form in JSON"),
        ({"rows": [1, {"f": print}]}, "the value['rows'][1]['f'] is of type builtin_function_or_method, which"),
        ([Opaque()], f"the value[0] is of type {__name__}.Opaque, which"),
        ({(1, Opaque()): 2}, "the value[(1, <"),
        ((letter for letter in "a"), "the value is of type generator, which"),
        ("\ud800", "the value is text with half a character, which JSON cannot carry"),
        (_endless(), "[0] is nested deeper than 100 levels, or holds itself"),
        (1 << 200_000, "the value is a number of 200001 bits; at most 100000 cross"),
        ([0] * 400_001, "the value is too much: all of it holds more than 400000 values"),
        ([[]] * 90_001, "the value[89999] is too much: all of it holds more than 90000 lists and dicts"),
        ("x" * (MOST + 1), f"the value is too much: all of it has more than {MOST} bytes as JSON"),
        (bytes(MOST), f"the value is too much: all of it has more than {MOST} bytes as JSON"),
        ("\x01" * (MOST // 2), "the value is too much: 31457282 bytes as JSON; at most 10485760 cross"),
        ('",' * 1_100_000, "the value is too much: 1100002 quotes, 1100000 commas and 0 brackets"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 100 else "",
)
def test_what_has_no_form_is_refused_by_its_name_and_place(value: Any, said: str) -> None:
    with pytest.raises(NotEncodable) as refused:
        values.dumps(value, MOST)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        list(range(399_000)),
        [[[]] * 1000] * 88,
        dict.fromkeys(map(str, range(199_000)), "a,b"),
        dict.fromkeys(range(80000)),
        ",[{" * 100_000,
        ["\\ud800"] * 200_000,
    ],
    ids=["numbers", "lists", "texts", "pairs", "text", "escapes"],
)
def test_what_is_let_out_the_host_takes_in(value: Any) -> None:
    assert not Bulk().add(values.dumps(value, MOST).encode())


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        ({"$type": "x"}, "args[0]: there is no $type 'x'; there are: bytes, complex, dataframe, "),
        ([1, {"a": {"$type": ["int"]}}], "args[0][1]['a']: there is no $type ['int']"),
        ({"$type": "bytes"}, "args[0]: a bytes has the fields base64, and not none"),
        ({"$type": "int", "value": "0x1", "more": 1}, "args[0]: a int has the fields value, and not more, value"),
        ({"$type": "bytes", "base64": "=="}, "args[0]: this is no bytes: "),
        ({"$type": "set", "items": [{}]}, "args[0]: this is no set: unhashable type: 'dict'"),
        ({"$type": "set", "items": "ab"}, "args[0]: this is no set: its items are no list"),
        ({"$type": "datetime", "iso": "noon"}, "args[0]: this is no datetime: Invalid isoformat string: 'noon'"),
        ({"$type": "ndarray", "dtype": "V9", "shape": [1], "data": [0]}, "its dtype 'V9' is unknown"),
        ({"$type": "ndarray", "dtype": "int64", "shape": [3], "data": [0]}, "this is no ndarray: cannot reshape"),
        ({"$type": "series", "name": None, "index": None, "dtype": "U9", "data": []}, "its dtype 'U9' is unknown"),
        ({"$type": "dataframe", "columns": None, "index": None, "dtypes": [], "data": [[]]}, "1 columns and 0 dtypes"),
    ],
)
def test_what_stands_for_no_value_is_refused(encoded: Any, said: str) -> None:
    with pytest.raises(NotDecodable) as refused:
        values.decode(encoded, "args[0]")
    assert said in str(refused.value)


NAMES = ("bool", "int64", "float64", "complex128", "str", "object", "datetime64[ns]", "timedelta64[s]", "category")
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.fixed_dictionaries({name: inner | st.lists(inner, max_size=3) for name in ("names", "dtypes", "data")})
        | st.sampled_from(sorted(FORMS)).flatmap(
            lambda name: st.fixed_dictionaries({"$type": st.just(name), **dict.fromkeys(FORMS[name].fields, inner)})
        )
    ),
    max_leaves=15,
)


@settings(deadline=None, max_examples=500)
@given(jsons)
def test_whatever_json_comes_is_read_or_refused(encoded: Any) -> None:
    try:
        values.decode(encoded)
    except NotDecodable as refused:
        assert str(refused).startswith("the value")


def test_json_that_is_nested_too_deep_is_refused() -> None:
    encoded: Any = None
    for _ in range(300):
        encoded = [encoded]
    with pytest.raises(NotDecodable, match="args is nested deeper than 200 levels"):
        values.decode(encoded, "args")


@pytest.mark.parametrize("minor", MINORS, ids=lambda minor: f"3.{minor}")
def test_other_pythons_read_and_write_the_same(minor: int) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    value = [1 << 70, {1: {2}}, b"x", datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), Decimal("1.5")]
    text = values.dumps([*value, datetime.time(1, 2, 3, 4), datetime.timedelta(-1, 2), uuid.UUID(int=5), 1j])
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from insitu.guest import values\n"
        "print(values.dumps(values.decode(json.loads(sys.argv[2]))), end='')"
    )
    done = subprocess.run([python, "-c", code, str(SOURCES), text], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (text, "")
