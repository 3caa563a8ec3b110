"""What is told of the layers, and whether it is so."""

from __future__ import annotations

from tests.attacks.attack import Attack, Layer
from tests.attacks.stand import Stand

# Each is stopped by one layer alone, so that it shows whether that is there.
PROBES = {
    Layer.LANDLOCK: "attempt(open, '/proc/self/comm', 'w') == 'EACCES'",
    Layer.SECCOMP: "'Seccomp:\\t2' in open('/proc/self/status').read()",
    Layer.NAMESPACES: "os.getpid() < 100",
}


async def test_a_session_tells_the_layers_that_hold_it(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told = (await session.info()).layers
        probes = Attack(what="", stopped_by=Layer.HOST, code=f"[{', '.join(PROBES.values())}]")
        found = await session.run(probes.program)
    assert found.text == repr([Layer.LANDLOCK not in stand.lacking, True, True])
    assert (told["landlock"] == "off") == (Layer.LANDLOCK in stand.lacking)
    assert told["cgroups"].startswith("none") == (Layer.CGROUPS in stand.lacking)
    assert told["seccomp"] == "allow-list"
    assert told["namespaces"] == "user, mount, pid, net, ipc, uts, cgroup"


async def test_memory_is_ended_by_the_layer_that_is_told(stand: Stand) -> None:
    greedy = Attack(what="", stopped_by=Layer.CGROUPS, code="held = [bytearray(1 << 20) for _ in range(1 << 12)]")
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(greedy.program, timeout_s=10)
    if Layer.CGROUPS in stand.lacking:
        assert (execution.outcome, execution.error and execution.error.name) == ("error", "MemoryError")
    else:
        assert execution.outcome == "out_of_memory"
