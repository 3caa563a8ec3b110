"""Contents as a transcript: how much work it is to put long ones together."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest

from insitu.dialects.gemini.casing import has, member
from insitu.dialects.gemini.content import Content
from insitu.dialects.gemini.transcript import Transcript
from insitu.web.stored_files import StoredFiles
from tests.support.work import work

CODE = {"executableCode": {"code": "1"}}
RESULT = {"codeExecutionResult": {"output": "1"}}


def work_of(*contents: tuple[str, list[dict[str, Any]]]) -> int:
    """How much work contents without files are: nothing is waited for."""
    transcript = Transcript("python", Content(cast("StoredFiles", None), None))

    def read() -> None:
        for role, parts in contents:
            with pytest.raises(StopIteration):
                transcript.add({"role": role, "parts": parts}, "contents").send(None)

    taken = work(read)
    assert transcript.messages()
    return taken


def work_of_answers(calls: int, *, by_id: bool) -> int:
    ids = [{"id": f"c{number}"} if by_id else {} for number in range(calls)]
    called = [{"functionCall": {"name": "f", **given}} for given in ids]
    answers = [{"functionResponse": {"name": "f", "response": {}, **given}} for given in reversed(ids)]
    return work_of(("model", called), ("user", answers))


@pytest.mark.parametrize("by_id", [True, False], ids=["id", "name"])
def test_twice_as_many_answers_are_twice_the_work(by_id: bool) -> None:
    work_of_answers(1, by_id=by_id)  # the first look-ups spell the names of members
    assert work_of_answers(256, by_id=by_id) < 2.1 * work_of_answers(128, by_id=by_id)


def test_text_behind_much_code_is_no_more_work() -> None:
    def work_of_texts(codes: int) -> int:
        before = [CODE] * codes + [RESULT]
        return work_of(("model", [*before, *[{"text": "a"}] * 500])) - work_of(("model", before))

    work_of_texts(1)
    assert work_of_texts(200) < 1.1 * work_of_texts(10)


def test_a_name_of_a_member_is_spelled_once() -> None:
    for look in (has, member):
        short, long = partial(look, {}, "code"), partial(look, {}, "code_execution_result")
        short(), long()
        assert work(short) == work(long)
