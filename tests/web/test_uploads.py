"""Forms that carry a file, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from insitu.web.bodies import Bodies, Body
from insitu.web.errors import Malformed
from insitu.web.uploads import FileForm
from tests.support.forms import HEADERS, field, file_part, form

Read = tuple[str | None, bytes, dict[str, str]]


async def read(body: bytes, cuts: Sequence[int] = ()) -> Read:
    """The file's name, its bytes and the fields of a form whose body comes in pieces."""
    places = [0, *sorted(cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "POST", "headers": headers, "insitu.body": Body(Bodies())}
    request = Request(scope, receive)
    async with FileForm(request, ("purpose",), 1 << 20) as uploaded:
        name = await uploaded.find_file()
        content = b"".join([chunk async for chunk in uploaded.chunks()])
        return name, content, uploaded.fields


# What a boundary is mistaken for most easily.
TRICKY = st.lists(st.sampled_from([b"\r\n", b"--", b"\r", b"\n", b"between-two-parts", b"x", b"\0\xff"])).map(b"".join)


# Drawn from within an event loop, data ends in a defect of CPython 3.11's parser now and then.
@given(st.data())
def test_the_pieces_make_no_difference(data: st.DataObject) -> None:
    content = data.draw(TRICKY.filter(lambda each: b"\r\n--between-two-parts" not in b"\r\n" + each))
    before, after = data.draw(st.sampled_from([(True, False), (False, True), (False, False)]))
    fields = [field("purpose", "vision")]
    body = form(*(fields if before else []), file_part(content, "ä.txt"), *(fields if after else []))
    cuts = data.draw(st.lists(st.integers(0, len(body))))
    assert anyio.run(read, body, cuts) == ("ä.txt", content, {"purpose": "vision"} if before or after else {})


@given(st.integers(0, 200))
async def test_what_breaks_off_is_told(length: int) -> None:
    body = form(field("purpose", "vision"), file_part())
    length = min(length, len(body) - 3)
    with pytest.raises(Malformed, match="the form breaks off before its last boundary"):
        await read(body[:length])


async def test_a_form_without_a_file_has_its_fields() -> None:
    assert await read(form(field("purpose", "vision"))) == (None, b"", {"purpose": "vision"})
