"""Shell commands are behind the same wall as code."""

from __future__ import annotations

import os

import pytest

from insitu.engine import Engine
from insitu.types import Execution
from tests.support.guest import Guest


async def run(guest: Guest, command: str, timeout_s: float = 20) -> Execution:
    async with guest.engine.start_command(guest.session, command, timeout_s=timeout_s) as running:
        return await running.result()


async def test_a_command_has_no_rights(guest: Guest) -> None:
    execution = await run(guest, "grep -E '^(Cap[EPIA]|NoNewPrivs:|Seccomp:|Uid:)' /proc/self/status")
    status = {name: value.strip() for name, value in (line.split(":\t") for line in execution.stdout.splitlines())}
    assert [value for name, value in status.items() if name.startswith("Cap")] == ["0" * 16] * 4
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert set(status["Uid"].split()) == {"1000"}


async def test_a_command_sees_what_code_sees(guest: Guest) -> None:
    names = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    answer = await guest.ask(f"answer = [os.readlink('/proc/self/ns/' + n) for n in {names!r}]")
    execution = await run(guest, f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done")
    assert execution.stdout.split() == answer
    limits = await guest.ask("answer = open('/proc/self/limits').read()")
    of_command = (await run(guest, "cat /proc/self/limits")).stdout
    # The limit of memory counts from what a process had at its start.
    assert _but_memory(of_command) == _but_memory(limits)
    assert (await run(guest, "cat /proc/self/cgroup")).stdout == await guest.ask(
        "answer = open('/proc/self/cgroup').read()"
    )


async def test_a_command_ignores_no_signal(guest: Guest) -> None:
    execution = await run(guest, "grep -E '^Sig(Ign|Blk)' /proc/self/status")
    _, blocked, _, ignored = execution.stdout.split()
    # 32 and 33 are the C library's own; who starts the server may have them ignored.
    assert (int(blocked, 16), int(ignored, 16) & ~(0b11 << 31)) == (0, 0)


def _but_memory(limits: str) -> list[str]:
    return [line for line in limits.splitlines() if not line.startswith("Max address space")]


async def test_a_command_holds_nothing_of_the_host(guest: Guest) -> None:
    # Without a pipe of the shell's own, which it would hold for a moment.
    links = (await run(guest, "readlink /proc/$$/fd/*; true")).stdout.split()
    assert [link.partition(":")[0] for link in links] == ["/dev/null", "pipe", "pipe"]
    for path in ("/etc/shadow", os.getcwd() + "/pyproject.toml", os.path.expanduser("~/.bashrc")):
        assert (await run(guest, f"cat {path}")).outcome == "error"


@pytest.mark.parametrize(
    "attack",
    [
        "kill -9 1",
        "kill -STOP 1",
        "unshare -U true",
        "mkdir /usr/x",
        "echo x > /etc/passwd",
        "cat /proc/1/environ",
        "readlink /proc/1/fd/3",
        "mount -t tmpfs none /tmp",
        "cp /bin/true /mnt/data/program; /mnt/data/program",
    ],
)
async def test_a_command_cannot_do_harm(engine: Engine, guest: Guest, attack: str) -> None:
    execution = await run(guest, attack)
    assert execution.outcome == "error", execution
    assert (await guest.run("1 + 1")).text == "2"


async def test_commands_share_the_limits_of_code(fresh: Guest) -> None:
    refused = "Resource temporarily unavailable"
    async with fresh.engine.start_command(fresh.session, "for n in {1..200}; do sleep 1000 & done") as running:
        async for event in running.events():
            if event.kind == "stderr" and refused in event.data["text"]:
                await running.interrupt()
    assert refused in (await running.result()).stderr
    execution = await run(fresh, "head -c 1G /dev/zero > big")
    assert execution.outcome in ("error", "crashed")
    size = (await fresh.session.files.stat("big")).size
    assert size <= fresh.session.limits.disk_bytes
