"""Code whose calls of tools are answered, and what it comes to."""

from __future__ import annotations

from typing import Any

from insitu.types import MIB, Execution
from tests.support.calling import Answer, echo, perform
from tests.support.guest import Guest

# Of the limits that a call has: what is around the value counts, too.
ALMOST = 8 * MIB - 5000


async def run(guest: Guest, code: str, answer: Answer = echo, **options: Any) -> Execution:
    return await perform(guest.engine, guest.session, code, answer, **options)


def value(execution: Execution) -> str:
    """The value of the last expression, once it has ended well."""
    assert execution.outcome == "ok", execution
    assert execution.result is not None and execution.result.text is not None, execution
    return execution.result.text


async def text(guest: Guest, code: str, answer: Answer = echo, **options: Any) -> str:
    """The value of some code whose calls are answered."""
    return value(await run(guest, code, answer, **options))


def to_be_called(*_: Any) -> Any:
    raise AssertionError("this is not called")
