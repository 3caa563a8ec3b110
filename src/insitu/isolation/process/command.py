"""A shell command in a sandbox, beside its interpreter and behind the same wall."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from ...types import MIB
from .sandbox import ProcessSandbox

_MAX_OUTPUT = MIB
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command said and how it ended; ``exit_code`` is negative for a signal."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool


async def run_command(
    sandbox: ProcessSandbox, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float
) -> CommandResult:
    """Run a command to its end; what is over 1 MiB of each stream is read and left out.

    Raises:
        SandboxFailed: if the sandbox died meanwhile.
    """
    with contextlib.ExitStack() as ours:
        with contextlib.ExitStack() as theirs:
            ends = [_pipe(ours, theirs) for _ in range(2)]
            body, _ = await sandbox.request(
                "command", descriptors=[write for _, write in ends], argv=list(argv), env=dict(env)
            )
        outputs = [bytearray(), bytearray()]
        with anyio.move_on_after(timeout_s) as patience:
            async with anyio.create_task_group() as tasks:
                for (read, _), output in zip(ends, outputs, strict=True):
                    tasks.start_soon(_collect, read, output)
            exit_code = await _exit_code(sandbox, body["pid"])
        if patience.cancelled_caught:
            await sandbox.request("kill", pid=body["pid"])
            exit_code = await _exit_code(sandbox, body["pid"])
        return CommandResult(exit_code, bytes(outputs[0]), bytes(outputs[1]), patience.cancelled_caught)


async def _exit_code(sandbox: ProcessSandbox, pid: int) -> int:
    while True:
        body, _ = await sandbox.request("exit_code", pid=pid)
        if body["exit_code"] is not None:
            return int(body["exit_code"])
        await anyio.sleep(_POLL_S)  # its output has ended, so it is about to


async def _collect(fd: int, output: bytearray) -> None:
    while True:
        await anyio.wait_readable(fd)
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            continue
        if not data:
            return
        output += data[: _MAX_OUTPUT - len(output)]


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write
