"""Shell commands that the agent starts beside an interpreter."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from insitu.isolation.base import Environment
from insitu.isolation.process.command import run_command
from insitu.isolation.process.sandbox import ProcessSandbox
from insitu.isolation.process.tier import ProcessTier
from insitu.types import Limits

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
async def sandbox() -> AsyncIterator[ProcessSandbox]:
    environments = [Environment("default", Path(sys.executable))]
    async with ProcessTier(environments, total_memory_bytes=4 << 30) as tier:
        sandbox = await tier.create("default", Limits())
        assert isinstance(sandbox, ProcessSandbox)
        yield sandbox


async def test_a_command_has_output_errors_and_an_exit_code(sandbox: ProcessSandbox) -> None:
    argv = ["bash", "-c", "echo out; echo err >&2; id -un; exit 3"]
    result = await run_command(sandbox, argv, env=ENV, timeout_s=10)
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\nuser\n", b"err\n")
    assert not result.timed_out


async def test_a_command_is_behind_the_same_wall(sandbox: ProcessSandbox) -> None:
    script = (
        "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; cat /etc/shadow; kill -9 1; unshare -U true"
    )
    result = await run_command(sandbox, ["bash", "-c", script], env=ENV, timeout_s=10)
    status = dict(line.split(":\t") for line in result.stdout.decode().splitlines())
    assert status["CapEff"] == "0000000000000000"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert b"No such file" in result.stderr
    assert sandbox.alive


async def test_a_command_that_goes_on_for_too_long_is_killed(sandbox: ProcessSandbox) -> None:
    result = await run_command(sandbox, ["bash", "-c", "echo begun; sleep 60"], env=ENV, timeout_s=0.5)
    assert (result.exit_code, result.stdout, result.timed_out) == (-9, b"begun\n", True)


async def test_a_flood_is_cut(sandbox: ProcessSandbox) -> None:
    result = await run_command(sandbox, ["bash", "-c", "head -c 3000000 /dev/zero"], env=ENV, timeout_s=10)
    assert (result.exit_code, len(result.stdout)) == (0, 1 << 20)


async def test_an_unknown_command_says_so(sandbox: ProcessSandbox) -> None:
    result = await run_command(sandbox, ["nonesuch"], env=ENV, timeout_s=10)
    assert result.exit_code == 127
    assert b"nonesuch" in result.stderr
