"""The first process of an environment's pid namespace: it starts zygotes and clones sandboxes.

All zygotes and sandboxes of the environment live in its pid namespace, so the kernel ends them with it; and
they outlive a zygote. It runs the environment's Python with the standard library alone: a small image, from
which the agents are cloned.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from . import agent, linux, lockdown, packets
from .plan import Plan


def main() -> None:
    """Serve the server, at descriptor 3, until it is gone. The first packet is the configuration."""
    control = socket.socket(fileno=3)
    linux.set_name("insitu-init")
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends here is reaped by the kernel
    config, _ = packets.receive(control)
    packets.send(control, {"ready": True})
    Init(control, config).serve()


class Init:
    """Serves the server's requests, one at a time."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self._control = control
        self._config = config
        self._seccomp = bytes.fromhex(config["seccomp"])

    def serve(self) -> None:
        """Run until the control socket closes; then the kernel ends everything in this pid namespace."""
        while True:
            request, descriptors = packets.receive(self._control)
            try:
                self._serve(request, descriptors)
            finally:
                for fd in descriptors:
                    os.close(fd)

    def _serve(self, request: dict[str, Any], descriptors: list[int]) -> None:
        make = self._start_zygote if request["do"] == "zygote" else self._start_sandbox
        try:
            make(request, descriptors)
        except OSError as error:
            packets.send(self._control, {"id": request["id"], "error": str(error)})

    def _tell(self, request: dict[str, Any], pid: int) -> None:
        pidfd = linux.pidfd_open(pid)
        try:
            packets.send(self._control, {"id": request["id"]}, pidfd)
        finally:
            os.close(pidfd)

    def _start_zygote(self, request: dict[str, Any], descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_zygote(request, descriptors[0])
        self._tell(request, pid)

    def _become_zygote(self, request: dict[str, Any], channel: int) -> None:
        try:
            self._control.detach()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDWR)
            lockdown.take_stdio([null, null, 2, channel])
            os.set_inheritable(3, True)
            os.chdir("/")
            os.execve(request["argv"][0], request["argv"], request["env"])
        except BaseException as error:
            os.write(2, f"{request['argv'][0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def _start_sandbox(self, request: dict[str, Any], descriptors: list[int]) -> None:
        mapped_r, mapped_w = os.pipe()
        pid = linux.clone(linux.ALL_NAMESPACES)
        if pid == 0:
            os.close(mapped_w)
            self._become_agent(request, descriptors, mapped_r)
        os.close(mapped_r)
        try:
            # First of all, since the server's next step, an interpreter, needs no more than this.
            self._tell(request, pid)
            linux.write_id_maps(pid, request["maps"], request["maps"])
            os.write(mapped_w, b"1")
        except OSError as error:
            # The agent sees the pipe close and ends, which ends what the server has begun with it.
            os.write(2, f"a sandbox could not be set up: {error}\n".encode())
        finally:
            os.close(mapped_w)

    def _become_agent(self, request: dict[str, Any], descriptors: list[int], mapped: int) -> None:
        channel, gate, *cgroups = descriptors
        try:
            self._control.detach()
            if os.read(mapped, 1) != b"1":
                os._exit(1)
            wall = lockdown.Wall(request["user"], self._config["landlock_abi"], self._seccomp)
            hidden = self._config["hidden"]
            plan = Plan(wall, request["agent"], request["disk_bytes"], request["inodes"], request["rlimits"], hidden)
            agent.main(plan, socket.socket(fileno=channel), gate, cgroups)
        except BaseException as error:
            os.write(2, f"a sandbox could not be set up: {error}\n".encode())
            os.write(gate, b"0")
        finally:
            os._exit(1)
