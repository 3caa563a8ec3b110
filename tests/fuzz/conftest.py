from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import fuzzing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the time out, and give each property as long as that and a minute for its end."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents and item.name in fuzzing.known]
    fuzzing.properties = len(ours) or 1
    for item in ours:
        item.add_marker(pytest.mark.timeout(fuzzing.SECONDS / len(ours) + 120))
