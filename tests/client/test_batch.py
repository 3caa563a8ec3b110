"""Batches by the SDK: the answers are values of Python."""

from __future__ import annotations

from typing import Any

import pytest

import insitu
from tests.client.conftest import KEY

CALLS: list[dict[str, Any]] = [
    {"id": "ran", "execute": {"code": "print('out')"}},
    {"lambda": {"lambda": "lambda: {1, 2}"}},
    {"execute": {"code": "1 / 0"}},
    {"function": {"name": "nobody"}},
]


def check(items: list[insitu.BatchItem]) -> None:
    ran, one, failed, refused = items
    assert (ran.index, ran.id, ran.kind, ran.ok, ran.answer.stdout) == (0, "ran", "execute", True, "out\n")
    assert one.answer.result == {1, 2}
    assert (failed.status, failed.answer.error.name, failed.error) == ("failed", "ZeroDivisionError", None)
    assert (refused.status, refused.answer) == ("refused", None)
    assert refused.error is not None
    assert refused.error["code"] == "not_found"


def test_answers_are_what_each_calls_own_method_returns(client: insitu.Client) -> None:
    check(client.batch(CALLS))
    assert [item.status for item in client.batch(CALLS[2:] + CALLS[:1], order="sequence")] == [
        "failed",
        "skipped",
        "skipped",
    ]


async def test_the_same_from_an_event_loop(url: str, client: insitu.Client) -> None:
    async with insitu.AsyncClient(url, KEY) as other:
        check(await other.batch(CALLS))
        ended = [item async for item in other.batch_stream(CALLS)]
        check(sorted(ended, key=lambda item: item.index))


def test_a_batch_is_built_and_each_call_finds_its_answer(client: insitu.Client) -> None:
    client.functions.deploy("double", "def main(x): return 2 * x")
    batch = insitu.Batch()
    ran = batch.run("print(open('a.txt').read())", files={"a.txt": "hi"})
    called = batch.call(lambda a, b: {a, b}, 1, b=2)
    invoked = batch.invoke("double:1", x=21)
    items = client.batch(batch)
    assert items.answer_of(ran).stdout == "hi\n"
    assert items.answer_of(called).result == {1, 2}
    assert items.answer_of(invoked).result == 42
    assert [item.id for item in items] == [ran.id, called.id, invoked.id]
    client.functions.delete("double")


def test_what_comes_after_waits_and_shares_a_session(client: insitu.Client) -> None:
    with client.session() as session:
        batch = insitu.Batch().in_session(session.id)
        loaded = batch.run("data = [3, 1, 2]; open('n', 'w').write('7')")
        ordered = batch.after(loaded).run("sorted(data)")
        read = batch.after(loaded, ordered).call("lambda: open('n').read()")
        items = client.batch(batch)
    assert items.answer_of(ordered).text == "[1, 2, 3]"
    assert items.answer_of(read).result == "7"


def test_options_of_a_batch_are_those_of_its_code_and_functions(client: insitu.Client) -> None:
    batch = insitu.Batch().with_options(env_vars={"A": "1"}, memory_bytes=200 << 20)
    source = "__import__('os').environ['A']"
    ran, called = batch.run(source), batch.call(f"lambda: {source}")
    other = batch.run(source, env_vars={"A": "2"})
    items = client.batch(batch)
    assert (items.answer_of(ran).text, items.answer_of(called).result, items.answer_of(other).text) == (
        "'1'",
        "1",
        "'2'",
    )


def test_a_call_that_was_not_made_raises_why(client: insitu.Client) -> None:
    batch = insitu.Batch()
    failed, nobody, nothing = batch.run("1 / 0"), batch.invoke("nobody"), batch.tool("nothing", x=1)
    skipped = batch.after(failed).run("1")
    items = client.batch(batch)
    assert items.answer_of(failed).outcome == "error"
    with pytest.raises(insitu.NotFound, match="there is no function 'nobody'"):
        items.answer_of(nobody)
    with pytest.raises(insitu.InvalidRequest, match="there is no tool 'nothing'"):
        items.answer_of(nothing)
    with pytest.raises(insitu.CallerError, match="the call 'call-0', which it waited for, did not end well"):
        items.answer_of(skipped)


def test_items_are_streamed_as_they_end(client: insitu.Client) -> None:
    with client.session() as session:
        batch = insitu.Batch()
        slow = batch.in_session(session.id).run("while not __import__('os').path.exists('go'): pass")
        quick = batch.run("1")
        ended = client.batch_stream(batch)
        assert next(ended).index == quick.index
        session.files.write("go", "")
        assert [item.index for item in ended] == [slow.index]
