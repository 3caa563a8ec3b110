"""Programs that call a function of the client's, and what a model is told of one that is cut off."""

from __future__ import annotations

ONE = "x = 40\nanswer = tools.weather(city='Ulm')\nprint(answer, x + 2)"
GATHER = """
import asyncio
async def all(): return await asyncio.gather(*(tools.weather.aio(city=c) for c in ("Ulm", "Rom", "Oslo")))
print(await all())
"""
TWICE = "first = tools.weather(city='Ulm')\nprint(tools.weather(city=first))"
GONE = "[the code was cut off while it waited for an answer of the user's functions"
