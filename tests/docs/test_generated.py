"""What the documentation takes from the code is what the code says now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from insitu.server.app import create_app
from insitu.settings import Settings
from scripts.document import DOCS, pages
from tests.docs.blocks import PAGES, ROOT

_ID = re.compile(r"\{\w+_id\}|\{model\}")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def test_generated_parts_are_current() -> None:
    for path, text in pages().items():
        # How wide a terminal is, and so where lines break, may differ from one version of Typer to the next.
        assert path.read_text("utf-8").split() == text.split(), f"{path.name} is out of date: run `make docs`"


def test_every_setting_is_described() -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    assert [name for name in Settings.model_fields if f"`INSITU_{name.upper()}`" not in text] == []


def test_every_route_is_described() -> None:
    text = "".join(page.read_text("utf-8") for page in sorted(DOCS.glob("*.md")))
    # The names of parameters are the code's; the pages call every id `{id}`.
    paths = {_ID.sub("{id}", path) for path in create_app(Settings()).openapi()["paths"]}
    assert [path for path in sorted(paths) if f"{path}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(_COMMENT.sub("", page.read_text("utf-8")))
    assert [target for target in targets if not (page.parent / target).exists()] == []
