"""The first process of a sandbox. It never runs user code: it reaps, serves files and runs commands."""

from __future__ import annotations

import errno
import os
import select
import selectors
import signal
import socket
from typing import Any

from . import linux, lockdown, protocol, trees
from .plan import Plan, set_up
from .variables import for_user
from .workspace import CHUNK, Files

_MAX_REQUEST = CHUNK + 64 * 1024


def main(plan: Plan, control: socket.socket, gate: int, cgroups: list[int]) -> None:
    """Set up the sandbox that this process is the first of, say so on ``gate``, and serve until the host is gone."""
    set_up(plan)
    lockdown.take_stdio([os.open("/dev/null", os.O_RDWR)] * 3 + [control.detach(), gate, *cgroups])
    agent = Agent(plan, socket.socket(fileno=3), list(range(5, 5 + len(cgroups))))
    os.write(4, b"1")
    os.close(4)
    agent.serve()


class Agent:
    """Answers the host's requests, one at a time, each short; commands run beside them."""

    def __init__(self, plan: Plan, control: socket.socket, cgroups: list[int]) -> None:
        self._plan = plan
        self._control = control
        self._cgroups = cgroups
        self._files = Files()
        self._decoder = protocol.Decoder(_MAX_REQUEST)
        self._selector = selectors.DefaultSelector()
        self._commands: dict[int, int] = {}  # those that run; where the news of the end of each goes
        self._descriptors: list[int] = []

    def serve(self) -> None:
        """Run until the control socket closes; then the kernel ends the whole sandbox."""
        wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ, self._receive)
        self._selector.register(wake_r, selectors.EVENT_READ, lambda: self._reap(wake_r))
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _receive(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 4)
        if not data:
            os._exit(0)
        self._descriptors += descriptors
        for kind, payload in self._decoder.feed(data):
            if kind == protocol.REQUEST:
                self._answer(*protocol.parse_json(payload))

    def _answer(self, request: dict[str, Any], tail: bytes) -> None:
        number = request.pop("id")
        operation = getattr(self, f"_do_{request.pop('do')}")
        try:
            outcome: tuple[dict[str, Any], bytes] = operation(tail, **request) or ({}, b"")
        except (OSError, UnicodeError) as error:
            code = errno.errorcode.get(getattr(error, "errno", None) or errno.EINVAL, "EINVAL")
            self._send(protocol.REFUSED, {"id": number, "errno": code, "message": str(error)})
        else:
            self._send(protocol.REPLY, {"id": number, **outcome[0]}, outcome[1])
        finally:
            while self._descriptors:
                os.close(self._descriptors.pop())

    def _send(self, kind: int, body: dict[str, Any], tail: bytes = b"") -> None:
        self._control.sendall(protocol.json_frame(kind, body, tail))

    def _do_stat(self, tail: bytes, path: str) -> Any:
        return {"entry": self._files.stat(path)}, b""

    def _do_list(self, tail: bytes, path: str, depth: int) -> Any:
        entries, complete = self._files.list(path, depth)
        return {"entries": entries, "complete": complete}, b""

    def _do_size(self, tail: bytes, path: str) -> Any:
        return {"size": self._files.size(path)}, b""

    def _do_read(self, tail: bytes, path: str, offset: int, length: int) -> Any:
        return {}, self._files.read(path, offset, length)

    def _do_write(self, tail: bytes, path: str, offset: int) -> None:
        self._files.write(path, offset, tail)

    def _do_rename(self, tail: bytes, source: str, target: str) -> Any:
        return {"entry": self._files.rename(source, target)}, b""

    def _do_delete(self, tail: bytes, path: str) -> None:
        self._files.delete(path)

    def _do_sweep(self, tail: bytes) -> None:
        """Kill every process of the sandbox but this one and the commands that run."""
        if not (self._commands and trees.kill_others(self._commands)):
            _kill_all()

    def _do_command(self, tail: bytes, arguments: int, shell: bool, folder: str) -> Any:
        """Start a command; three descriptors come with it: for its output, its errors and the news of its end.

        Args:
            tail: its arguments and then its environment variables, with a NUL between each two.
            arguments: how many of these are arguments.
            shell: whether the one argument is a line for a shell.
            folder: where it starts, relative to the workspace.
        """
        strings = [os.fsdecode(string) for string in tail.split(b"\0")]
        argv = [_shell(), "-c", strings[0]] if shell else strings[:arguments]
        variables = dict(string.split("=", 1) for string in strings[arguments:])
        pid = os.fork()
        if pid == 0:
            self._become_command(argv, variables, folder)
        self._commands[pid] = self._descriptors.pop()
        return {"pid": pid}, b""

    def _do_kill(self, tail: bytes, pid: int) -> None:
        """Kill a command and all that it has started."""
        if pid in self._commands:
            trees.kill_tree(pid)

    def _do_discard(self, tail: bytes) -> None:
        """Read what comes from the descriptors, so that who still writes there neither waits nor dies of it."""
        if os.fork() == 0:
            self._become_discarder()

    def _become_command(self, argv: list[str], variables: dict[str, str], folder: str) -> None:
        code = 126
        try:
            # Who is orphaned below it falls to it, not to this sandbox's first process: so its tree stays whole.
            linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
            self._lock_down([os.open("/dev/null", os.O_RDONLY), *self._descriptors[:2]])
            os.chdir(folder)
            found = {**for_user(), "PWD": os.getcwd(), **variables}
            # Python ignores two of them, the supervisor Ctrl-C and `nohup` the hangup; so would what is executed here.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(argv[0], argv, found)
        except BaseException as error:
            code = 127 if isinstance(error, FileNotFoundError) else 126
            os.write(2, f"{argv[0]}: {error}\n".encode())
        finally:
            os._exit(code)

    def _become_discarder(self) -> None:
        try:
            linux.set_name("insitu-discard")
            self._lock_down(self._descriptors)
            poll = select.poll()
            left = set(range(len(self._descriptors)))
            for fd in left:
                poll.register(fd, select.POLLIN)
            while left:
                for fd, _ in poll.poll():
                    if not os.read(fd, CHUNK):
                        poll.unregister(fd)
                        left.discard(fd)
        finally:
            os._exit(0)

    def _lock_down(self, stdio: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        lockdown.lock_down(self._plan.wall, self._plan.rlimits, self._cgroups, stdio)

    def _reap(self, wake: int) -> None:
        os.read(wake, 512)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            news = self._commands.pop(pid, None)
            if news is not None:
                _tell_end(news, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)


def _tell_end(news: int, exit_code: int, cpu_s: float) -> None:
    try:
        os.write(news, protocol.ENDED.pack(exit_code, int(cpu_s * 1e6)))
    except BrokenPipeError:
        pass  # nobody listens any more
    finally:
        os.close(news)


def _kill_all() -> None:
    """Kill every process but this one, in one step that no fork escapes."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _shell() -> str:
    return "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
