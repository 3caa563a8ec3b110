from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test starts stores anything in the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSITU_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield
