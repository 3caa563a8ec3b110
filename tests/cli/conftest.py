from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu import Client
from tests.cli.commands import Commands
from tests.support.serve_command import serving


@pytest.fixture
def insitu(tmp_path: Path) -> Commands:
    """Commands that know of no server."""
    return Commands(tmp_path)


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@pytest.fixture
def remote(tmp_path: Path, url: str) -> Commands:
    """Commands for a server."""
    return Commands(tmp_path, url)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


@pytest.fixture
def session(client: Client) -> Iterator[str]:
    """The id of a new session on the server."""
    with client.session() as made:
        yield made.id
