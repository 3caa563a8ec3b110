"""Functions of this program, called on a server and in a sandbox of this process."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy
import pandas
import pytest

import insitu


def area(radius: float, *, scale: float = 1) -> float:
    return math.pi * radius**2 * scale


def test_a_function_is_called_with_python_values(client: insitu.Client) -> None:
    assert client.call(lambda x: x + 1, 41).result == 42
    assert client.call(area, 1, scale=2).result == 2 * math.pi
    assert client.call("lambda *args: args[::-1]", 1, b"x", {2}).result == [{2}, b"x", 1]
    when = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    assert client.call(lambda when, by: when + by, when, datetime.timedelta(1)).result == when.replace(day=3)


def test_arrays_and_frames_cross(client: insitu.Client) -> None:
    doubled = client.call(lambda array: array * 2, numpy.eye(2)).result
    numpy.testing.assert_array_equal(doubled, 2 * numpy.eye(2))
    frame = pandas.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3]})
    pandas.testing.assert_frame_equal(
        client.call(lambda frame: frame.groupby("k").sum(), frame).result, frame.groupby("k").sum()
    )


def test_what_a_function_does_wrong_is_a_value(client: insitu.Client) -> None:
    called = client.call(lambda x: 1 / x, 0)
    assert (called.ok, called.outcome, called.result) == (False, "error", None)
    assert called.error is not None
    assert (called.error.name, called.error.value) == ("ZeroDivisionError", "division by zero")


def test_a_result_that_stands_for_no_value_is_an_error(client: insitu.Client) -> None:
    # An honest sandbox never sends that; this one has had its hands on what it runs with.
    forged = (
        "def f():\n"
        "    import sys\n"
        "    encoder = next(m for name, m in sys.modules.items() if name.endswith('guest.encoder'))\n"
        "    encoder.Encoder.encode = lambda self, value: {'$type': 'cat'}\n"
    )
    called = client.call(forged)
    assert (called.outcome, called.result) == ("error", None)
    assert called.error is not None
    assert called.error.value.startswith("the result: there is no $type 'cat'; there are: ")


def test_what_cannot_cross_is_refused_before_it_is_sent(client: insitu.Client) -> None:
    with pytest.raises(insitu.InvalidRequest, match=r"args\[0\]\['f'\] is of type function, which has no form in JSON"):
        client.call("lambda x: x", {"f": area})
    with pytest.raises(insitu.InvalidRequest, match=r"inputs\[1\] is of type type, which has no form in JSON"):
        client.map("lambda x: x", [1, int])
    with pytest.raises(insitu.InvalidRequest, match=r"inputs\[0\]: with star, each input is a list, a tuple or a dict"):
        client.map("lambda x: x", [1], star=True)
    with pytest.raises(insitu.InvalidRequest, match="built-in function len> has no source"):
        client.call(len, [])


def test_a_map_keeps_the_order_of_its_inputs(client: insitu.Client) -> None:
    called = client.map(lambda x: {x, -x}, range(100))
    assert [call.result for call in called] == [{x, -x} for x in range(100)]
    assert [call.index for call in called] == list(range(100))
    starred = client.map(lambda a, b, c=0: a + b + c, [(1, 2), {"a": 3, "b": 4}], star=True, kwargs={"c": 10})
    assert [call.result for call in starred] == [13, 17]
    small = client.map("lambda x, y: [x, y]", [1], args=[2], memory_bytes=200 << 20, timeout_s=5, env_vars={"A": "1"})
    assert small[0].result == [1, 2]


def test_a_map_is_streamed(client: insitu.Client) -> None:
    called = list(client.map_stream(lambda x: 1 / x, [0, 1, 2]))
    assert sorted((call.index, call.result) for call in called) == [(0, None), (1, 1.0), (2, 0.5)]
    with pytest.raises(insitu.InvalidRequest, match="there is no environment 'none'"):
        list(client.map_stream("len", [1], environment="none"))
    first = client.map_stream("lambda x: __import__('time').sleep(x)", [0, 0, 40, 40])
    assert next(first).ok
    first.close()


def test_a_session_calls_functions_with_what_it_has(session: Any) -> None:
    count = "total = 0\ndef count(by):\n    global total\n    total += by\n    return total"
    assert [session.call(count, 2).result for _ in range(3)] == [2, 4, 6]
    session.files.write("name.txt", "insitu")
    assert session.call("lambda: open('name.txt').read()").result == "insitu"
    assert session.call(lambda: numpy.arange(3)).result.tolist() == [0, 1, 2]
    assert session.call("lambda: __import__('os')._exit(1)").outcome == "crashed"


def test_options_of_calls_are_those_of_the_client(client: insitu.Client) -> None:
    view = client.with_options(env_vars={"A": "1"}, timeout_s=0.3)
    source = "lambda *_: __import__('os').environ['A']"
    assert (view.call(source).result, view.map(source, [0])[0].result) == ("1", "1")
    assert view.with_options(env_vars={"A": "2"}).call(source).result == "2"
    assert view.run("while True: pass").outcome == "timeout"
    with view.session() as session:
        assert (session.call(source).result, session.run("while True: pass").outcome) == ("1", "timeout")
    with pytest.raises(insitu.OverCeiling):
        client.with_options(memory_bytes=1 << 50).call("lambda: 1")
    assert client.call(source).outcome == "error"


def test_options_of_calls_are_those_of_the_session(session: Any) -> None:
    view = session.with_options(env_vars={"A": "1"}, timeout_s=0.3)
    source = "lambda: __import__('os').environ['A']"
    assert (view.call(source).result, view.run(source[8:]).text) == ("1", "'1'")
    assert [event.kind for event in view.stream(source[8:])] == ["started", "result", "finished"]
    assert view.run(source[8:], env_vars={"A": "2"}).text == "'2'"
    assert view.call("def f():\n    while True: pass").outcome == "timeout"
    assert session.call(source).outcome == "error"


async def test_the_same_from_an_event_loop(url: str, async_session: Any) -> None:
    assert (await async_session.call(lambda x: x + 1, 1)).result == 2
    view = async_session.with_options(env_vars={"A": "1"})
    assert (await view.call("lambda: __import__('os').environ['A']")).result == "1"
    async with insitu.AsyncClient(url, "the-key-of-the-tests") as client:
        assert (await client.call(area, 1)).result == math.pi
        view = client.with_options(env_vars={"A": "1"})
        assert (await view.call("lambda: __import__('os').environ['A']")).result == "1"
        assert [call.result for call in await client.map(lambda x: -x, [1, 2])] == [-1, -2]
        called = [call async for call in client.map_stream(lambda x: -x, [1, 2])]
        assert sorted(call.result for call in called) == [-2, -1]
