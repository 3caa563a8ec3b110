from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

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


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Asks again until the answer is yes; the test's own time-out is the bound."""

    def wait(condition: Callable[[], bool]) -> None:
        while not condition():
            threading.Event().wait(0.01)

    return wait
