"""A guest that sends what a test has made up, over real descriptors to the real host's side."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from insitu.engine.session import Session, SessionSpec
from insitu.errors import SandboxFailed
from insitu.guest import protocol
from insitu.isolation.process.conversation import send_all
from insitu.isolation.process.sandbox import ProcessSandbox
from insitu.isolation.process.spawner import Ended, Spawner
from insitu.types import Limits

# What is sent piece by piece for the request of a number; None: the guest hangs up.
Reply = Callable[[int], Iterable[bytes] | None]
LIMITS = Limits(timeout_s=1, output_bytes=4096, results_bytes=64 * 1024)


def honest(number: int) -> Iterable[bytes]:
    """An answer to any request."""
    body = {"id": number, "entries": [], "entry": {"path": "a", "kind": "file"}, "size": 0}
    return [protocol.json_frame(protocol.REPLY, body)]


class Puppet(Spawner):
    """Makes sandboxes without a wall or a guest: processes that sleep, and the other ends of their descriptors.

    Args:
        replies: of the agent, to one request after the other; afterwards it is honest.
        ready: what an interpreter says before it is asked anything.
        said: what it says to its first code piece by piece, on its channel, its output and its errors.
        hangs_up: whether it then closes them.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        replies: Iterator[Reply],
        ready: bytes = protocol.json_frame(protocol.READY, {"layers": {}}),
        said: Sequence[Iterable[bytes]] = ((), (), ()),
        hangs_up: bool = False,
    ) -> None:
        self._tasks = tasks
        self._replies = replies
        self._ready, self._speech, self._hangs_up = ready, said, hangs_up
        self._stack = ExitStack()
        self._ended = {}

    async def make_sandbox(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """An agent, which answers in a task of its own."""
        agent = socket.socket(fileno=os.dup(descriptors[0]))
        agent.setblocking(False)
        self._tasks.start_soon(self._answer, self._stack.enter_context(agent))
        return self._sleeper()

    async def fork(self, rlimits: Mapping[str, int], descriptors: Sequence[int]) -> tuple[int, Ended]:
        """An interpreter, likewise."""
        output, errors, answers, requests = map(os.dup, descriptors[2:6])
        for fd in (output, errors, answers, requests):
            os.set_blocking(fd, False)
        self._tasks.start_soon(self._speak, requests, (answers, output, errors))
        ended = Ended()
        ended.exit_code = -9
        ended.event.set()
        return self._sleeper(), ended

    def _sleeper(self) -> int:
        process = subprocess.Popen(["sleep", "600"])
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return os.pidfd_open(process.pid)

    async def _answer(self, agent: socket.socket) -> None:
        decoder = protocol.Decoder(64 << 20)
        with quiet():
            while True:
                await anyio.wait_readable(agent)
                data = agent.recv(1 << 18)
                if not data:
                    return
                for _, payload in decoder.feed(data):
                    said = next(self._replies, honest)(protocol.parse_json(payload)[0]["id"])
                    if said is None:
                        agent.shutdown(socket.SHUT_RDWR)
                        return
                    for piece in said:
                        await send_all(agent.fileno(), piece)

    async def _speak(self, requests: int, to: Sequence[int]) -> None:
        with ExitStack() as stack:
            for fd in (requests, *to):
                stack.callback(os.close, fd)
            with quiet():
                await send_all(to[0], self._ready)
                await anyio.wait_readable(requests)
                for fd, pieces in zip(to, self._speech, strict=True):
                    for piece in pieces:
                        await send_all(fd, piece)
                if not self._hangs_up:
                    await anyio.sleep_forever()

    def close(self) -> None:
        """End all of it."""
        self._stack.close()


@contextmanager
def quiet() -> Iterator[None]:
    """The host hangs up when it has heard enough."""
    try:
        yield
    except (BrokenPipeError, ConnectionError, anyio.ClosedResourceError):
        pass


@contextmanager
def translated() -> Iterator[None]:
    """As the tier has it."""
    try:
        yield
    except OSError as error:
        raise SandboxFailed(f"a sandbox could not be made: {error}") from error


@asynccontextmanager
async def puppet_session(replies: Iterable[Reply] = (), **manners: Any) -> AsyncIterator[Session]:
    """A session whose guest is one."""
    async with anyio.create_task_group() as tasks:
        puppet = Puppet(tasks, iter(replies), **manners)
        sandbox = ProcessSandbox(1, puppet, LIMITS, None, lambda closed: None)
        try:
            with translated():
                await sandbox.open({"rlimits": {}})
            session = Session(sandbox, SessionSpec("", "default", LIMITS), "process")
            yield session
            await session.aclose()
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.aclose()
            puppet.close()
            tasks.cancel_scope.cancel()
