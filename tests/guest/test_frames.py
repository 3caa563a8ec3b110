"""Arrays and frames cross as JSON and come back as they were."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from insitu.guest import values
from insitu.guest.values import NotEncodable

DTYPES = (
    hn.boolean_dtypes()
    | hn.integer_dtypes()
    | hn.unsigned_integer_dtypes()
    | hn.floating_dtypes()
    | hn.complex_number_dtypes()
    | hn.datetime64_dtypes()
    | hn.timedelta64_dtypes()
    | hn.unicode_string_dtypes(endianness="=")
    | hn.byte_string_dtypes(endianness="=")
)
# Half characters are refused, and numpy itself drops a NUL at the end.
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")


def of_dtype(dtype: Any) -> st.SearchStrategy[Any]:
    texts = st.text(LETTERS, max_size=dtype.itemsize // 4) if dtype.kind == "U" else None
    return hn.arrays(dtype, hn.array_shapes(min_dims=0, min_side=0, max_side=4), elements=texts)


ARRAYS = DTYPES.flatmap(of_dtype)
WHEN = pandas.to_datetime(["2024-01-01T00:00:00.123456789", None], format="ISO8601")
FRAME = pandas.DataFrame(
    {
        "whole": [1, 2],
        "small": pandas.array([1, None], "UInt8"),
        "float": [1.5, None],
        "text": ["x", None],
        "truth": [True, False],
        "when": WHEN,
        "there": WHEN.tz_localize("Europe/Berlin"),
        "span": pandas.to_timedelta(["1s", None]),
        "kind": pandas.Categorical(["u", None]),
        "any": [{"k": 1}, None],
    }
)


def crossed(value: Any) -> Any:
    return values.decode(json.loads(values.dumps(value)))


@settings(deadline=None)
@given(ARRAYS)
def test_arrays_come_back_as_they_were(array: Any) -> None:
    back = crossed(array)
    if array.dtype.kind not in "US":  # those are as wide as they need to be
        assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    numpy.testing.assert_array_equal(back, array)


def test_arrays_of_objects_hold_what_they_held() -> None:
    array = numpy.array([[1, 2], None, {"a": "x"}], object)
    assert crossed(array).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (numpy.float32(1.5), 1.5),
        (numpy.int8(3), 3),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
        (numpy.bytes_(b"x"), b"x"),
        (numpy.datetime64("2024-01-02T03:04"), datetime.datetime(2024, 1, 2, 3, 4)),
        (numpy.datetime64("NaT"), None),
        (numpy.timedelta64(3, "s"), datetime.timedelta(seconds=3)),
        (pandas.Timestamp("2024-01-02"), datetime.datetime(2024, 1, 2)),
        (pandas.Timedelta("1s"), datetime.timedelta(seconds=1)),
        (pandas.NaT, None),
        (pandas.NA, None),
        (pandas.Index([1, 2]), [1, 2]),
    ],
    ids=repr,
)
def test_scalars_become_pythons_own(scalar: Any, value: Any) -> None:
    assert crossed(scalar) == value
    assert type(crossed(scalar)) is type(value)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index("text"),
        FRAME.set_index(["whole", "truth"]),
        FRAME.set_index("there")[["whole"]],
        FRAME.groupby("truth").agg({"whole": ["sum", "mean"]}),
        FRAME[["whole", "whole"]],
        FRAME.iloc[:0].drop(columns="kind"),
        pandas.DataFrame(numpy.eye(2)),
        pandas.DataFrame({"a": [1, 2]}, index=[10, 20]),
        pandas.DataFrame({"a": [1]}, index=[2.5]),
        pandas.DataFrame({("a", 1): [1]}),
        pandas.DataFrame(index=range(3)),
        pandas.DataFrame(),
    ],
    ids=range(13),
)
def test_frames_come_back_as_they_were(frame: Any) -> None:
    pandas.testing.assert_frame_equal(crossed(frame), frame, check_freq=False)


@pytest.mark.parametrize("name", FRAME.columns)
def test_series_come_back_as_they_were(name: str) -> None:
    pandas.testing.assert_series_equal(crossed(FRAME[name]), FRAME[name])
    pandas.testing.assert_series_equal(crossed(FRAME[name].rename((1, "x"))), FRAME[name].rename((1, "x")))


@settings(deadline=None)
@given(st.lists(st.floats(), min_size=1), st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_columns_of_numbers_come_back_to_the_last_bit(floats: list[float], whole: list[int]) -> None:
    pandas.testing.assert_series_equal(crossed(pandas.Series(floats)), pandas.Series(floats), check_exact=True)
    pandas.testing.assert_series_equal(
        crossed(pandas.Series(whole, dtype="int64")), pandas.Series(whole, dtype="int64")
    )


def test_a_frame_is_one_list_for_each_column() -> None:
    assert json.loads(values.dumps(FRAME[["whole", "float", "text"]])) == {
        "$type": "dataframe",
        "columns": ["whole", "float", "text"],
        "index": None,
        "dtypes": ["int64", "float64", str(FRAME.text.dtype)],
        "data": [[1, 2], [1.5, None], ["x", None]],
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (numpy.ma.array([1, 2], mask=[False, True]), "the value is a MaskedArray of dtype int64, which"),
        (numpy.zeros(1, [("a", int)]), "the value is a ndarray of dtype [('a', '<i8')], which"),
        (numpy.longdouble(1), "the value is a scalar of dtype float128, which has no form in JSON"),
        ([pandas.DataFrame({"p": pandas.period_range("2024", periods=1, freq="M")})], "the value[0] has data of dtype"),
        (pandas.DataFrame({"a": [{"f": print}]}), "the value.data[0][0]['f'] is of type builtin_function"),
        (numpy.zeros(400_001), "the value is too much: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_form_is_refused(value: Any, said: str) -> None:
    with pytest.raises(NotEncodable) as refused:
        values.dumps(value)
    assert str(refused.value).startswith(said)
