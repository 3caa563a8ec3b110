"""Tools that take their time, as an operator would write them: ``insitu serve --tools benchmarks.lookup``.

The loops of the benchmark call the same functions, beside themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import insitu

LATENCY_S = 0.1
_ITEMS = 5


@insitu.tool
def look_up(number: int) -> int:
    """Looks up the amount of an order.

    Args:
        number: of the order.
    """
    time.sleep(LATENCY_S)
    return amount_of(number)


@insitu.tool
def look_up_order(number: int) -> dict[str, Any]:
    """Looks up an order: its amount, and what was ordered.

    Args:
        number: of the order.
    """
    time.sleep(LATENCY_S)
    return order(number)


TOOLS: dict[str, Callable[..., Any]] = {"look_up": look_up, "look_up_order": look_up_order}


def amount_of(number: int) -> int:
    """What an order comes to: nothing that could be guessed from another one's."""
    return number * 7919 % 997


def order(number: int) -> dict[str, Any]:
    """All that is known of an order."""
    items = [
        {"article": f"P-{number:03}-{place}", "name": "Paper, 80 g, white, 500 sheets", "pieces": place}
        for place in range(1, _ITEMS + 1)
    ]
    return {"number": number, "amount": amount_of(number), "customer": f"C-{number * 31 % 1000:03}", "items": items}
