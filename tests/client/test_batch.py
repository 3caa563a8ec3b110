"""Batches by the SDK: the answers are values of Python."""

from __future__ import annotations

from typing import Any

import insitu

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
    async with insitu.AsyncClient(url, "the-key-of-the-tests") as other:
        check(await other.batch(CALLS))
