"""What a JSON body becomes in memory is told from its bytes, and is never more than that."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from insitu.web import weighing
from insitu.web.weighing import weigh

SIZE = 64 * 1024


class Anything(BaseModel):
    x: Any = None


def repeated(unit: str) -> bytes:
    return b'{"x":[%b]}' % b",".join([unit.encode()] * (SIZE // (len(unit.encode()) + 1)))


def numbered(unit: str) -> bytes:
    return b'{"x":{%b}}' % b",".join(b'"%07d":%b' % (at, unit.encode()) for at in range(SIZE // (len(unit) + 11)))


SHAPES = {
    "short numbers": repeated("1"),
    "numbers": repeated("123456789"),
    "long numbers": repeated("12345678901234567890123"),
    "fractions": repeated("1.5"),
    "empty strings": repeated('""'),
    "short strings": numbered('"ab"'),
    "strings": repeated(f'"{"a" * 70}"'),
    "wide strings": repeated('"😀😀"'),
    "escaped strings": repeated('"\\ud83d\\ude00 and more of it"'),
    "accents": repeated('"éa"'),
    "empty lists": repeated("[]"),
    "lists": repeated("[1]"),
    "longer lists": repeated("[1,2,3,4,5,6,7,8,9]"),
    "empty objects": repeated("{}"),
    "small objects": repeated('{"a":1}'),
    "objects": repeated('{"a":1.5,"b":"","c":null,"d":[],"e":{},"f":-1}'),
    "members": numbered("1"),
    "the same member": b'{"x":{%b}}' % b",".join([b'"a":1'] * (SIZE // 6)),
    "one string": b'{"x":"%b"}' % (b"a" * SIZE),
    "one wide string": b'{"x":"%b\xf0\x9f\x98\x80"}' % (b"a" * SIZE),
    "one string with an escape": b'{"x":"%b\\u4e2d"}' % (b"a" * SIZE),
    "a wide string beside a quote": b'{"x":"\xf0\x9f\x98\x80\\"%b"}' % (b"a" * SIZE),
}


def held(parse: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        parsed = parse()
        now = tracemalloc.get_traced_memory()[0]
        del parsed
        return now
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_no_body_becomes_more_than_it_weighs(shape: str) -> None:
    body = SHAPES[shape]
    most = weigh(body) + 4096
    assert held(lambda: Anything.model_validate_json(body)) <= most
    assert held(lambda: orjson.loads(body)) <= most


def test_a_long_string_weighs_its_length_whatever_stands_beside_it() -> None:
    image = b'"data:image/png;base64,%b"' % (b"iVBORw0K" * (SIZE // 8))
    for other in (b"hello", b"\xf0\x9f\x98\x80", rb"\"", rb"\\"):
        body = b'{"a":"%b","b":%b}' % (other, image)
        assert weigh(body) - len(body) < 1000
    wide = b'{"a":"\xf0\x9f\x98\x80","b":"\\"%b\xe4\xb8\xad"}' % (b"a" * SIZE)
    assert 2 * SIZE < weigh(wide) < 2 * SIZE + 1000


def test_text_weighs_its_length_though_it_looks_like_json() -> None:
    text = orjson.dumps([{"id": at, "path": "C:\\", "said": '"'} for at in range(1000)]).decode()
    body = orjson.dumps({"messages": [{"role": "user", "content": text}]})
    assert len(body) < weigh(body) < len(body) + 2000


@pytest.mark.parametrize("body", [b"", b'"', b"{", b'""', b'\\"[' * 5000, b"\xf0" + b'a"' * 70_000])
def test_what_is_no_json_is_weighed_all_the_same(body: bytes) -> None:
    assert weigh(body) >= len(body)


def test_so_many_strings_that_they_are_not_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    body = orjson.dumps({"x": ["a,b"] * 10_000})
    told_apart = weigh(body)
    monkeypatch.setattr(weighing, "_MOST_QUOTES", 10_000)
    commas = 10_000
    assert told_apart + 96 * commas <= weigh(body) < told_apart + 98 * commas
