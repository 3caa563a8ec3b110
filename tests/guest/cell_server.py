"""A small stand-in for zygote and interpreter: it prepares a shell, and forks a child for each connection.

Usage: cell_server.py FOLDER PACKAGE SOCKET [--plain] [MODULE …]; runs on every Python that the guest runs on.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from typing import Any


def main() -> None:
    folder, package, path, *rest = sys.argv[1:]
    sys.path.insert(0, folder)
    for module in rest:
        if module != "--plain":
            importlib.import_module(module)
    # What the cells that prepare the shell print is of no interest.
    output = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    cells = importlib.import_module(f"{package}.cells")
    reseed = importlib.import_module(f"{package}.reseed")
    shell = cells.Shell(lambda data, main: None, use_ipython="--plain" not in rest)
    shell.prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.write(output, b"ready\n")
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                reseed.reseed()
                serve(shell, connection)
            connection.close()


def serve(shell: Any, connection: socket.socket) -> None:
    outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
    stream = connection.makefile("rw")
    # Saved, as some of the cells break what they can reach.
    dumps, loads = json.dumps, json.loads

    def send(message: dict[str, Any]) -> None:
        stream.write(dumps(message, allow_nan=False) + "\n")
        stream.flush()

    shell.publish = lambda data, main: send({"data": data, "main": main})
    shell.install_signal_handler()
    send({"pid": os.getpid()})
    for line in stream:
        error = shell.run(loads(line))
        written = []
        for number, output in enumerate(outputs, 1):
            written.append(os.pread(output, os.fstat(output).st_size, 0).decode())
            os.ftruncate(output, 0)
            os.lseek(number, 0, os.SEEK_SET)
        send({"error": error and error._asdict(), "stdout": written[0], "stderr": written[1]})
    os._exit(0)


if __name__ == "__main__":
    main()
