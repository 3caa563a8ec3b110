from __future__ import annotations

import pytest

from insitu.cli.results import _stays_below


@pytest.mark.parametrize("path", ["a", "a/b.txt", "..a", "a..", " ", "é/ü"])
def test_paths_of_a_workspace_are_below_the_folder(path: str) -> None:
    assert _stays_below(path)


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "/etc/passwd", "..", "C:\\a", "C:a", "a\\..\\..\\b", "\\a", "a\0b"]
)
def test_paths_that_lead_elsewhere_are_known(path: str) -> None:
    assert not _stays_below(path)
