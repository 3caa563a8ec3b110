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
