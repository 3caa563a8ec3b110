"""The host's files, and those of others."""

from __future__ import annotations

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

ATTACKS = (
    Attack(
        what="read the host's accounts",
        stopped_by=Layer.ROOT,
        code="[attempt(open, '/etc/shadow'), sorted(line.split(':')[0] for line in open('/etc/passwd'))]",
        answers=[["ENOENT", ["root", "user"]]],
    ),
    Attack(
        what="mount a file system",
        stopped_by=Layer.SECCOMP,
        code="syscall('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        answers=["EPERM"],
    ),
    Attack(
        what="rename itself by /proc, which is a write outside of the workspace",
        stopped_by=Layer.LANDLOCK,
        code="attempt(open, '/proc/self/comm', 'w')",
        answers=["EACCES"],
        unless=Layer.LANDLOCK,
    ),
    Attack(
        what="never end",
        stopped_by=Layer.CLOCK,
        code="while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        ends=["timeout"],
    ),
)


@tried(ATTACKS)
async def test_files(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
