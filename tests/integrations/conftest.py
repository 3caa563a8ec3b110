from __future__ import annotations

from collections.abc import Iterator

import pytest

from insitu.settings import Settings
from tests.support.serving import serving


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(Settings(port=0, preimport=(), pool_size=2, data_dir=tmp_path_factory.mktemp("data"))) as address:
        yield address
