"""What the server knows, its zygotes do not: every sandbox starts as a copy of their memory."""

from __future__ import annotations

import secrets

import pytest

from insitu.engine import Engine
from tests.support.guest import SMALL, Guest


async def test_the_memory_of_a_sandbox_holds_none_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = secrets.token_hex(12), secrets.token_hex(12)
    monkeypatch.setenv("INSITU_TEST_CANARY", "".join(halves))
    # The guest knows the halves apart; only whoever holds the secret has them side by side.
    search = f"""
import re
first, second = {halves[0]!r}.encode(), {halves[1]!r}.encode()
found, seen = 0, 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps.readlines():
        start, end = (int(edge, 16) for edge in line.split()[0].split("-"))
        try:
            memory.seek(start)
            piece = memory.read(end - start)
        except (OSError, OverflowError):
            continue  # nothing to read, or gone since
        seen += len(piece)
        for match in re.finditer(first, piece): found += piece[match.end() : match.end() + 24] == second
answer = [found > 0, seen > 1 << 22]
"""
    async with Engine(SMALL) as engine:
        guest = Guest(engine, await engine.create_session())
        assert await guest.ask(search) == [False, True]
        planted = f"planted = {halves[0]!r}.encode() + {halves[1]!r}.encode()"
        assert await guest.ask(planted + search) == [True, True]
