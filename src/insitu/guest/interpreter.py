"""The process that runs user code, cell after cell, until it is killed or the host is gone."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from . import calls, protocol, values, variables, warm
from .cells import Shell, flush
from .inbox import Inbox
from .line import Line, Outbox
from .lockdown import WORKSPACE
from .reseed import reseed
from .tools import Host, Tools
from .workspace import walk

_MAX_REQUEST = 64 << 20
_ANSWERS, _REQUESTS = 3, 4
_TOOLS = "tools"
# What a frame has around a value.
_FRAME = 200
_shell: Shell | None = None
_publish_to: Any = None


def warm_up() -> None:
    """Do, before the fork, whatever the first cell of every interpreter would do, through the very same code."""
    global _shell, _publish_to
    # An environment may have IPython and do without: who leaves it out of the list wants a quick start.
    _shell = shell = Shell(_publish, use_ipython="IPython" in sys.modules)
    ours, theirs = socket.socketpair()
    rehearsed = Interpreter(theirs.fileno(), theirs.fileno(), shell)
    _publish_to = rehearsed.publish

    def rehearse(code: str) -> None:
        request = {"session_env": {}, "env_vars": {}, "results_bytes": 1 << 20, "stale_interrupt": True}
        ours.sendall(protocol.json_frame(protocol.EXECUTE, request, code.encode()) + protocol.frame(protocol.SEEN))
        rehearsed.receive()
        ours.recv(1 << 20)

    with ours, theirs, _output_to_pipe():
        _start_streams()
        reseed()
        shell.install_signal_handler()
        shell.prepare(rehearse)
    _publish_to = None
    values.prepare()
    os.environ.update(variables.for_user())
    _find_modules_beside_the_code()


def _find_modules_beside_the_code() -> None:
    # As in a notebook: what code writes as helper.py it can import. No bytecode, which would be a file that it made.
    sys.path[:] = ["", *(path for path in sys.path if path)]
    sys.dont_write_bytecode = True


def _publish(data: dict[str, Any], main: bool) -> None:
    if _publish_to is not None:
        _publish_to(data, main)


def serve(layers: dict[str, str]) -> None:
    """Answer the host until it closes its ends."""
    global _publish_to
    assert _shell is not None
    interpreter = Interpreter(_REQUESTS, _ANSWERS, _shell)
    _publish_to = interpreter.publish
    reseed()
    interpreter.send(protocol.READY, {"layers": layers, "pid": os.getpid()})
    interpreter.serve()


@contextlib.contextmanager
def _output_to_pipe() -> Iterator[None]:
    # The streams are made once, before the fork, on what they will be in a sandbox: pipes.
    before = os.dup(1), os.dup(2)
    pipe = os.pipe()
    os.dup2(pipe[1], 1)
    os.dup2(pipe[1], 2)
    try:
        yield
    finally:
        for number, fd in enumerate(before, 1):
            os.dup2(fd, number)
        for fd in (*before, *pipe):
            os.close(fd)


def _start_streams() -> None:
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(number, "w", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw, 1 << 16), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


class Interpreter:
    """Reads requests from one descriptor, runs cells, answers on another."""

    def __init__(self, requests: int, answers: int, shell: Shell) -> None:
        self._inbox = Inbox(requests, _MAX_REQUEST, shell.shield)
        self._outbox = Outbox(answers)
        self._line = Line(self._inbox, self._outbox, shell.shield, flush)
        self._shell = shell
        self._functions = calls.Functions()
        self._tools: Tools | None = None
        self._not_theirs: Any = None
        self._publishing = threading.RLock()
        self._listed: Any = None
        self._main = b""
        self._budget = 0
        self._truncated = False

    def send(self, kind: int, body: dict[str, Any]) -> None:
        """Send one frame, whole."""
        self._outbox.send(protocol.json_frame(kind, body))

    def serve(self) -> None:
        """Run until the host closes its end."""
        while True:
            self.receive()

    def receive(self) -> None:
        """Wait for requests, and carry out what has come."""
        for kind, payload in self._inbox.receive():
            if kind == protocol.EXECUTE:
                body, code = protocol.parse_json(payload)
                self._execute(body, code)
            elif kind == protocol.REHEARSE:
                self._shell.prepare(rehearse=warm.touch)
                self.send(protocol.READY, {})

    def publish(self, data: dict[str, Any], main: bool) -> None:
        """Hand one MIME bundle to the host, behind all that was written before it."""
        with self._publishing:
            self._publish(self._within_budget(data, main), main)

    def _publish(self, frame: bytes, main: bool) -> None:
        flush()
        if main:
            self._main = frame
            return  # it goes out with the last frame
        waiter = self._inbox.expect(protocol.SEEN)
        self._outbox.send(frame)
        # What is written after this must come after it, though it takes another way: wait until it is seen.
        self._inbox.wait(waiter)

    def _within_budget(self, data: dict[str, Any], main: bool) -> bytes:
        frame = protocol.json_frame(protocol.RESULT, {"data": data, "main": main})
        size = len(frame)
        if size <= self._budget:
            self._budget -= size
            return frame
        self._truncated = True
        note = f"<a result of {size} bytes was left out: {self._budget} bytes of results are left>"
        return protocol.json_frame(protocol.RESULT, {"data": {"text/plain": note}, "main": main})

    def _execute(self, request: dict[str, Any], tail: bytes) -> None:
        os.environ.update(request["session_env"])
        self._main, self._budget, self._truncated = b"", request["results_bytes"], False
        self._offer(request.get("tools"))
        before = _cpu_seconds()
        with _environment(request["env_vars"]):
            error = self._run(request, tail)
        self._take_back()
        flush()
        body: dict[str, Any] = {
            "error": error._asdict() if error else None,
            "truncated": self._truncated,
            "cpu_s": round(_cpu_seconds() - before, 6),
        }
        listing = self._listing()
        if listing != self._listed:
            self._listed = listing
            body["files"], body["complete"] = listing
        self._line.close(self._main + protocol.json_frame(protocol.FINISHED, body))

    def _run(self, request: dict[str, Any], tail: bytes) -> Any:
        stale, call = request["stale_interrupt"], request.get("call")
        if call is None:
            return self._shell.run(tail.decode("utf-8", "surrogatepass"), stale_interrupt=stale)
        source, given = tail[: call["source_bytes"]].decode(), tail[call["source_bytes"] :].decode()
        return self._shell.perform(lambda: self._call(source, call["handler"], given), stale_interrupt=stale)

    def _call(self, source: str, handler: str | None, given: str) -> None:
        args, kwargs = calls.arguments(given)
        value = self._shell.complete(self._functions.find(source, handler)(*args, **kwargs))
        self.publish({values.MIME: values.within(value, self._budget - _FRAME)}, True)

    def _offer(self, declared: Any) -> None:
        # The name is theirs while they are there; a variable of the code's own comes back afterwards.
        if declared:
            names, line = self._shell.namespace, self._line
            host = Host(line.call, line.wait, line.wait_async)
            self._not_theirs = names.get(_TOOLS, self)
            self._tools = names[_TOOLS] = Tools(host, declared)
            self._line.open()

    def _take_back(self) -> None:
        names = self._shell.namespace
        if self._tools is not None and names.get(_TOOLS) is self._tools:
            names[_TOOLS] = self._not_theirs
            if self._not_theirs is self:
                del names[_TOOLS]
        self._tools = self._not_theirs = None

    def _listing(self) -> Any:
        try:
            return walk(os.open(WORKSPACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), "", 8)
        except OSError:
            return [], False


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
