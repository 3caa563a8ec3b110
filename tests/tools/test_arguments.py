"""Arguments of calls become plain JSON, or a failure that says why not."""

from __future__ import annotations

import math

from insitu.engine import ToolFailure
from insitu.tools.arguments import Arguments


def test_a_number_that_json_cannot_have_is_refused_wherever_it_comes_from() -> None:
    # As forged code can send it: 1e999 is read as infinity, and a schema is checked as if it were null.
    arguments = Arguments("find", {"properties": {"most": {"maximum": 5}}})
    assert arguments({"most": 5}) == {"most": 5}
    assert arguments({"most": math.inf}) == ToolFailure(
        "ValueError", "find: most: JSON has no inf; pass None, or a string"
    )
    assert arguments({"most": [-math.inf]}) == ToolFailure(
        "ValueError", "find: most[0]: JSON has no -inf; pass None, or a string"
    )


def test_what_a_form_lacks_is_told_with_its_place() -> None:
    arguments = Arguments("find", {"type": "object"})
    assert arguments({"on": [{"day": {"$type": "date", "iso": "2024-05-01"}}]}) == {"on": [{"day": "2024-05-01"}]}
    assert arguments({"on": [{"day": {"$type": "date", "iso": 5}}]}) == ToolFailure(
        "ValueError", "find: on[0].day: its $type has no iso"
    )


def test_long_names_around_many_values_cost_nothing() -> None:
    # Each value's place written out would be 100 GB.
    many = [{"within": [0] * 100_000 + [{"$type": "ndarray"}]}]
    failure = Arguments("find", {"type": "object"})({"x" * 1_000_000: many})
    assert isinstance(failure, ToolFailure) and len(failure.message) < 400
