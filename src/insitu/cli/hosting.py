"""A server in this process, for as long as one command takes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from insitu.errors import ServiceError
from insitu.isolation.platforms import require_linux

from .configuration import read_settings
from .errors import INTERRUPTED, WrongUsage
from .signals import at_ctrl_c

if TYPE_CHECKING:
    from insitu.settings import Settings

_TERMINATED = 143


class Hosted(NamedTuple):
    """Where the server is, the key that it wants (others on this machine find it, too), and its settings."""

    url: str
    key: str
    settings: Settings


@contextmanager
def hosting(upstream: str | None) -> Iterator[Hosted]:
    """A server before a model server, by default that of ``INSITU_UPSTREAM``; it leaves nothing behind.

    Raises:
        WrongUsage: if no model server is named.
        InsituError: if the server cannot start.
    """
    settings = read_settings({"upstream": upstream})
    if not settings.upstream:
        from insitu.client import DEFAULT_URL

        raise WrongUsage(
            f"there is no model to ask, and no insitu server answers at {DEFAULT_URL}",
            hint="name a model server by --upstream or INSITU_UPSTREAM, such as http://127.0.0.1:11434/v1, "
            "or a server of insitu's by --url or INSITU_URL",
        )
    require_linux("a server in this process")
    key = secrets.token_urlsafe(32)
    with ExitStack() as stack:
        stack.enter_context(_at_sigterm())
        folder = Path(tempfile.mkdtemp(prefix="insitu-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stop = stack.enter_context(ExitStack())
        url = _start(_for_one(settings, key, folder), stop)
        try:
            yield Hosted(url, key, settings)
        finally:
            # It ends in order, unless somebody is in a hurry.
            with at_ctrl_c(partial(_leave, folder)):
                stop.close()


def _for_one(settings: Settings, key: str, folder: Path) -> Settings:
    from pydantic import SecretStr

    return settings.model_copy(
        update={
            "host": "127.0.0.1",
            "port": 0,
            "api_keys": (SecretStr(key),),
            "api_keys_file": None,
            "upstream_forward_key": False,
            "data_dir": folder,
            # Who has asked has nothing to wait for any more.
            "shutdown_s": 0,
            "pool_size": settings.pool_size if "INSITU_POOL_SIZE" in os.environ else 0,
        }
    )


def _start(settings: Settings, stop: ExitStack) -> str:
    """Start a server in a thread; its address. What ends it is added to ``stop``."""
    from anyio.from_thread import start_blocking_portal

    from insitu.engine import Engine
    from insitu.server.app import create_app, open_store
    from insitu.server.run import Server, listen

    listens = Event()
    sock = stop.enter_context(listen(settings))
    portal = stop.enter_context(start_blocking_portal(backend_options={"use_uvloop": find_spec("uvloop") is not None}))
    store = stop.enter_context(portal.wrap_async_context_manager(open_store(settings)))
    engine = stop.enter_context(portal.wrap_async_context_manager(Engine(settings)))
    server = Server(create_app(settings, engine, store), settings, lambda url, service: listens.set())
    served = portal.start_task_soon(partial(server.serve, sockets=[sock]))
    served.add_done_callback(lambda _: listens.set())
    stop.callback(served.result)
    stop.callback(setattr, server, "should_exit", True)
    listens.wait()
    if served.done():
        raise ServiceError("the server of this process did not start", hint="what it says above may tell why")
    host, port = sock.getsockname()[:2]
    return f"http://{host}:{port}"


@contextmanager
def _at_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that it can clean up."""
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(_TERMINATED)


def _leave(folder: Path, number: int, frame: FrameType | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(INTERRUPTED)
