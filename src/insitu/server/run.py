"""Starting and stopping a server."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from types import FrameType
from typing import Literal

import anyio
import uvicorn
from fastapi import FastAPI

from ..engine import Engine
from ..errors import InsituError, InvalidRequest
from ..settings import Settings
from ..tools import make_registry
from ..web.service import Service
from .app import create_app, open_store
from .memory import collect_rarely, give_back_what_is_freed

# A client that takes nothing for so long is cut off by the kernel.
UNREAD_S = 60.0
# What is left to answers that are on their way when all executions have ended.
LAST_ANSWERS_S = 5
# A session takes a handful, and the usual soft limit is 1024.
DESCRIPTORS = 65536

# Told a server's address once it listens.
Announce = Callable[[str, Service], None]


def announce_address(url: str, service: Service) -> None:
    """Say in one line where the server is."""
    _say(f"insitu listens on {url} (API: {url}/docs)")


def serve(settings: Settings) -> int:
    """Run a server until SIGTERM or Ctrl-C; return the exit code, say what goes wrong in one message."""
    try:
        run(settings)
    except InsituError as exc:
        sys.stderr.write(f"insitu cannot start: {exc}\n")
        return 1
    return 0


def run(settings: Settings, announce: Announce = announce_address) -> None:
    """Run a server until SIGTERM or Ctrl-C.

    Raises:
        InsituError: if it cannot start.
    """
    check_bind(settings)
    _allow_many_descriptors()
    give_back_what_is_freed()
    serving = partial(_serve, settings, announce)
    anyio.run(serving, backend_options={"use_uvloop": find_spec("uvloop") is not None})


def check_bind(settings: Settings) -> None:
    """Refuse to listen where others can reach a server that has no keys.

    Raises:
        InvalidRequest: if so, or if the file of keys holds none.
    """
    try:
        keys = settings.keys()
    except OSError as exc:
        raise InvalidRequest(f"api_keys_file cannot be read: {exc}") from None
    if settings.api_keys_file and not keys:
        raise InvalidRequest(f"api_keys_file {str(settings.api_keys_file)!r} holds no key", hint="write one key a line")
    if not keys and not all(ipaddress.ip_address(address).is_loopback for address in _addresses(settings)):
        raise InvalidRequest(
            f"without keys the server binds loopback only, and {settings.host!r} is reachable from elsewhere",
            hint="set INSITU_API_KEYS, or bind 127.0.0.1",
        )


def listen(settings: Settings, unread_s: float = UNREAD_S) -> socket.socket:
    """The bound socket; raises InvalidRequest if the address cannot be had."""
    address = _addresses(settings)[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.create_server((address, settings.port), family=family, backlog=2048)
    except OSError as exc:
        raise InvalidRequest(
            f"cannot listen on {settings.host}:{settings.port}: {os.strerror(exc.errno or 0)}",
            hint="choose another --port",
        ) from None
    if sys.platform == "linux":
        # Accepted sockets inherit it. No timer of ours could end a connection whose buffer does not drain.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_s * 1000))
    # uvloop sets it, asyncio does not: an answer in two writes would wait 40 ms for the client's acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Server(uvicorn.Server):
    """uvicorn, which on a signal first lets turns and executions end while it still answers, with 503 to new ones."""

    def __init__(self, app: FastAPI, settings: Settings, announce: Announce = announce_address) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_http(),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="on",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=LAST_ANSWERS_S + 1,
            )
        )
        self.settings = settings
        self.service: Service = app.state.service
        self.announce = announce
        self.hurried = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for sock in sockets or ():
            self.announce(_url(sock), self.service)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, wait for what runs, end what does not end, then stop."""
        if self.settings.shutdown_s and (running := _running(self.service)):
            _say(f"stopping: {running}, at most {self.settings.shutdown_s:g} s; Ctrl-C again ends them now")
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_when_hurried, group.cancel_scope)
            await self._drain(anyio.current_time() + self.settings.shutdown_s)
            group.cancel_scope.cancel()
        with anyio.move_on_after(LAST_ANSWERS_S):
            await self.service.turns.jobs.cut()
        self.service.cancel_all()
        async with anyio.create_task_group() as group:
            group.start_soon(self._cut_bodies)
            await super().shutdown(sockets)
            group.cancel_scope.cancel()

    async def _cut_bodies(self) -> None:
        # uvicorn would cancel their requests a moment later, and log each with its traceback.
        await anyio.sleep(LAST_ANSWERS_S)
        self.service.bodies.cut()

    async def _drain(self, deadline: float) -> None:
        # The turns first, which need the engine to their end.
        await self.service.turns.drain(deadline - anyio.current_time())
        await self.service.engine.drain(deadline - anyio.current_time())
        with anyio.CancelScope(deadline=deadline):
            await self.service.answered()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on the first signal; on a second, wait for nothing.

        uvicorn would remember the signal and die of it after a clean stop.
        """
        self.hurried = self.should_exit
        self.should_exit = True

    async def _cancel_when_hurried(self, scope: anyio.CancelScope) -> None:
        while not self.hurried:  # noqa: ASYNC110 - a signal's handler cannot set an event of the loop
            await anyio.sleep(0.05)
        scope.cancel()


async def _serve(settings: Settings, announce: Announce) -> None:
    with listen(settings) as sock:
        # Whatever cannot be had is found here, and not by the framework, which has many words for it.
        async with make_registry(settings) as tools, open_store(settings) as store, Engine(settings) as engine:
            server = Server(create_app(settings, engine, store, tools), settings, announce)
            server.config.load()
            collect_rarely()
            # Who has interrupted the start meanwhile is heard here: within serve() it would be told with a traceback.
            await anyio.lowlevel.checkpoint()
            await server.serve(sockets=[sock])


def _running(service: Service) -> str:
    """What still runs, in words; "" if nothing does."""
    load = service.engine.load
    counts = (("turn", service.turns.running), ("execution", load["executions"] + load["paused"]))
    words = " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts if count)
    return words and f"{words} still run{'s' * (sum(count for _, count in counts) == 1)}"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _http() -> type[asyncio.Protocol] | Literal["h11"]:
    if not find_spec("httptools"):
        return "h11"  # which bounds what comes before a body by itself
    from .protocol import BoundedProtocol

    return BoundedProtocol


def _allow_many_descriptors() -> None:
    import resource  # which only Unix has

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _addresses(settings: Settings) -> list[str]:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise InvalidRequest(f"the host {settings.host!r} is not known: {exc.strerror}") from None
    return [str(address[0]) for *_, address in found]


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
