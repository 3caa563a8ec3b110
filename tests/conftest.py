from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from insitu.engine import Engine
from insitu.server.memory import give_back_what_is_freed
from tests.support.guest import SMALL
from tests.support.model import ScriptedModel
from tests.support.recording import Recorder
from tests.support.waiting import wait_until


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance", type=Path, metavar="FILE", help="note in this file which clients can do what")


def pytest_configure(config: pytest.Config) -> None:
    """Let the servers of this process keep no more of their memory than they do in one of their own."""
    give_back_what_is_freed()
    if file := config.getoption("conformance"):
        config.pluginmanager.register(Recorder(file))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test starts stores anything in the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSITU_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test speaks TLS: each client and each command would read all of this machine's certificates, for 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        for one in ssl.create_default_context().get_ca_certs(binary_form=True)[:1]:
            path = tmp_path_factory.mktemp("certificates") / "one.pem"
            path.write_text(ssl.DER_cert_to_PEM_cert(one), "ascii")
            patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Asks again until the answer is yes, for 30 seconds."""
    return wait_until


@pytest.fixture(scope="session")
def the_model() -> Iterator[ScriptedModel]:
    """The model server behind all servers that have one."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def model(the_model: ScriptedModel) -> Iterator[ScriptedModel]:
    """The same, which has heard nothing yet; the test uses up what it scripts."""
    the_model.forget()
    yield the_model
    assert not the_model.left, "the script has steps that nobody has taken"


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[Engine]:
    """The engine that a module's tests share."""
    async with Engine(SMALL) as engine:
        yield engine


@pytest.fixture
def cgroups(engine: Engine) -> None:
    """For tests of what only cgroups can do."""
    if engine.layers["cgroups"].startswith("none"):
        pytest.skip("this machine lets this user make no cgroups")
