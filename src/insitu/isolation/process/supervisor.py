"""A small process beside the server: it makes an environment's namespaces, and ends all in them with the server.

The server starts it with ``python -I -S``, so it has no third-party code, no secret and a clean environment.
It stays outside the namespaces: it holds what rights the server has, and removes the cgroups when all is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from insitu.guest import linux
from insitu.guest.lockdown import take_stdio

from . import rootfs


def main() -> None:
    """Serve until the server is gone, or starts the init anew; the sockets to either are named by number."""
    server, control = (socket.socket(fileno=int(number)) for number in sys.argv[2:4])
    config = json.loads(server.recv(1 << 20))
    linux.set_name("insitu-superv")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is the server's business
    os.setsid()
    _turn_off_core_dumps()
    try:
        pid = _start_init(control, config)
    except OSError as error:
        server.send(json.dumps({"error": str(error), "errno": error.errno}).encode())
        return
    control.close()
    try:
        server.send(json.dumps({"ready": True}).encode())
        _wait_for_either(server, pid)
    except OSError:  # the server has gone already
        pass
    _end(pid)
    if _goes_on(server):
        return
    for path in config["cgroups"]:
        _remove_cgroups(path)


def _turn_off_core_dumps() -> None:
    # 1 is off; 0 is not, where core_pattern is a pipe. Only a privileged server comes from 0 to 1.
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _start_init(control: socket.socket, config: dict[str, Any]) -> int:
    members = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in config["join"]]
    if config["root"]:
        # Only real root reads every folder of the plan, and mounts a /proc that no container manager has masked.
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        rootfs.build(config["rootfs"])
    mapped_r, mapped_w = os.pipe()
    pid = linux.clone(linux.ALL_NAMESPACES)
    if pid == 0:
        os.close(mapped_w)
        _become_init(control, config, mapped_r, members)
    for fd in (mapped_r, *members):
        os.close(fd)
    try:
        if not config["root"]:
            with open(f"/proc/{pid}/setgroups", "w", encoding="ascii") as file:
                file.write("deny")
        linux.write_id_maps(pid, config["uids"], config["gids"])
        with contextlib.suppress(BrokenPipeError):  # it has failed, and says why itself
            os.write(mapped_w, b"1")
    except OSError:
        _end(pid)
        raise
    return pid  # the pipe stays open: its end tells the init that this process is gone


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)  # a child that nobody has waited for: the number is still its own
    os.waitpid(pid, 0)


def _become_init(control: socket.socket, config: dict[str, Any], mapped: int, members: list[int]) -> None:
    try:
        for fd in members:
            os.write(fd, b"0")
        if os.read(mapped, 1) != b"1":
            os._exit(1)
        linux.unshare(linux.CLONE_NEWCGROUP)  # what this process has joined is the top of what it sees
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        _die_with_parent(mapped)
        if config["root"]:
            os.setgroups([])
        else:
            rootfs.build(config["rootfs"])
        rootfs.enter()
        socket.sethostname("insitu")
        null = os.open("/dev/null", os.O_RDWR)
        take_stdio([null, null, 2, control.detach()])
        os.set_inheritable(3, True)
        # Executed anew, the process belongs to the new user namespace for good: there, a zygote may join sandboxes.
        os.execve(config["argv"][0], config["argv"], {"LANG": "C.UTF-8"})
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def _die_with_parent(held_by_it: int) -> None:
    # The kernel forgets it where ids change, and tells nothing of a parent that has died before.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(held_by_it, 0)
    if poll.poll(0):
        os._exit(1)


def _wait_for_either(server: socket.socket, pid: int) -> None:
    pidfd = linux.pidfd_open(pid)
    poll = select.poll()
    poll.register(server, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    poll.poll()


def _goes_on(server: socket.socket) -> bool:
    # With a server that goes on, the cgroups are of use to the next init; it says so.
    try:
        return bool(server.recv(1 << 16))
    except OSError:
        return False


def _remove_cgroups(path: str) -> None:
    # A cgroup empties a moment after its last process is gone.
    for attempt in range(50):
        if not os.path.isdir(path):
            return
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue
        time.sleep(0.002 * attempt)
