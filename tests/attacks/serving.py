"""What attacks on files that are served have in common."""

from __future__ import annotations

import platform
from collections.abc import Awaitable

from insitu.client import AsyncClientSession
from insitu.errors import InsituError
from insitu.isolation.process.syscalls import TABLES
from insitu.types import Execution

CALLS = TABLES[platform.machine()]
REFUSALS = {"PathRefused", "FileMissing", "InvalidRequest", "IsFolder"}


async def refusal(call: Awaitable[object]) -> str:
    """The name of the error that a call ends with."""
    try:
        await call
    except InsituError as error:
        return type(error).__name__
    return "went through"


async def done(session: AsyncClientSession, code: str) -> Execution:
    """What the code does, all of it without an error."""
    execution = await session.run(code)
    assert execution.outcome == "ok", execution
    return execution
