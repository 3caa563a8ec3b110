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
from .cells import Shell
from .inbox import Inbox
from .lockdown import WORKSPACE
from .reseed import reseed
from .tools import Host, Tools
from .workspace import walk

_MAX_REQUEST = 64 << 20
_ANSWERS, _REQUESTS = 3, 4
_write, _getpid = os.write, os.getpid  # code may put others in their place
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
        self._answers = answers
        self._shell = shell
        self._functions = calls.Functions()
        self._tools: Tools | None = None
        self._publishing = threading.RLock()
        self._sending = threading.Lock()
        self._pid = 0
        self._calls = 0
        self._listed: Any = None
        self._main = b""
        self._budget = 0
        self._truncated = False

    def send(self, kind: int, body: dict[str, Any]) -> None:
        """Send one frame, whole."""
        self._send_all(protocol.json_frame(kind, body))

    def _send_all(self, data: bytes) -> None:
        view = memoryview(data)
        with self._sending:
            while view:
                view = view[_write(self._answers, view) :]

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
        _flush()
        if main:
            self._main = frame
            return  # it goes out with the last frame
        self._send_all(frame)
        # What is written after this must come after it, though it takes another way: wait until it is seen.
        self._inbox.wait(protocol.SEEN)

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
        self._inbox.clear()
        _flush()
        body: dict[str, Any] = {
            "error": error._asdict() if error else None,
            "truncated": self._truncated,
            "cpu_s": round(_cpu_seconds() - before, 6),
        }
        listing = self._listing()
        if listing != self._listed:
            self._listed = listing
            body["files"], body["complete"] = listing
        self._send_all(self._main + protocol.json_frame(protocol.FINISHED, body))

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
        if declared:
            self._pid = _getpid()
            host = Host(self._send_call, self._wait_for_result, self._wait_for_result_async)
            self._tools = self._shell.namespace["tools"] = Tools(host, declared)
        elif self._tools is not None:
            if self._shell.namespace.get("tools") is self._tools:
                del self._shell.namespace["tools"]
            self._tools = None

    def _send_call(self, name: str, given: str) -> int:
        if _getpid() != self._pid:
            raise RuntimeError("tools can be called by the process that the code runs in, and not by its children")
        _flush()
        self._calls += 1
        number = self._calls
        frame = protocol.json_frame(protocol.TOOL_CALL, {"number": number, "name": name}, given.encode())
        self._shell.shield(self._send_all, frame)
        return number

    def _wait_for_result(self, number: int) -> bytes:
        return self._inbox.wait(protocol.TOOL_RESULT, number)

    async def _wait_for_result_async(self, number: int) -> bytes:
        return await self._inbox.wait_async(protocol.TOOL_RESULT, number)

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


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # user code may have closed or replaced it
            stream.flush()
