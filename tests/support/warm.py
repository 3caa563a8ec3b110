"""Commands of insitu's that need not be imported again for each: they fork from a process that has done it.

``python warm.py DESCRIPTOR``: the descriptor is a socket. Each message is a command: its arguments, folder
and environment, and as descriptors its three streams and where to tell its number and its exit code.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_MOST_BYTES = 1 << 17


class Warm:
    """Runs commands.

    Args:
        environment: of the process that they fork from.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])

    def close(self) -> None:
        """End the process; no command runs any more."""
        self._socket.close()
        self._process.wait()

    def run(
        self, arguments: Sequence[str], stdin: str, folder: Path, environment: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """Run one to its end: its exit code, and what it wrote."""
        asked = json.dumps([arguments, str(folder), dict(environment)]).encode()
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours:
            given.write(stdin.encode())
            given.seek(0)
            with theirs:
                socket.send_fds(self._socket, [asked], [file.fileno() for file in (given, out, err, theirs)])
            ours.settimeout(timeout_s)
            stream = ours.makefile()
            pid = int(stream.readline())
            try:
                code = int(stream.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()


def _next_command(control: socket.socket) -> list[str]:
    """Return as a command that has been asked for, with all that it is given."""
    while True:
        data, fds, *_ = socket.recv_fds(control, _MOST_BYTES, 4)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    *streams, reply = fds
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    if child := os.fork():
        os.write(reply, b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        os.write(reply, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(reply)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    arguments, folder, environment = json.loads(data)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    return ["insitu", *arguments]


if __name__ == "__main__":
    import insitu.cli.app
    import insitu.server.run  # noqa: F401 - what all commands import

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    sys.argv = _next_command(socket.socket(fileno=int(sys.argv[1])))
    try:
        insitu.cli.main()
    except SystemExit as ended:
        # To take down all that is imported would take longer than most commands.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ended.code or 0))
