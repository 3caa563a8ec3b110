"""Notes which client is seen to do what, of which the documentation's table of clients is made."""

from __future__ import annotations

import json
from collections.abc import Generator
from importlib import metadata
from pathlib import Path

import pytest

from scripts.conformance import FEATURES, Row, record
from tests.support.node import PACKAGES

_OWN_PACKAGES = Path(__file__).parents[2] / "clients/vercel-ai/node_modules"


class Recorder:
    """A plugin that hears how the tests end which are marked to show something; all that show the same must pass."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed: set[tuple[str, str, str]] = set()
        self._missed: set[tuple[str, str, str]] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        for marker in item.iter_markers("shows"):
            client = item.get_closest_marker("client")
            assert client is not None
            name, api = [*client.args, ""][:2]
            ended = self._passed if report.passed else self._missed
            ended.update((name, api, feature) for feature in marker.args)
        return report

    def pytest_sessionfinish(self) -> None:
        seen = self._passed - self._missed
        rows = [
            Row(client, api, _installed(client), tuple(name for name in FEATURES if (client, api, name) in seen))
            for client, api in sorted({each[:2] for each in seen})
        ]
        record(rows, self._file)


def _installed(client: str) -> str:
    if not client.startswith("@") and client != "ai":
        return metadata.version(client)
    packages = _OWN_PACKAGES if client == "ai" else PACKAGES
    return str(json.loads((packages / client / "package.json").read_text("utf-8"))["version"])
