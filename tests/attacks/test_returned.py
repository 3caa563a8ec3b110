"""Files that come with the answer, or are listed: too many, too large, too deep."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import anyio

from insitu import AsyncClient
from insitu.types import MIB
from tests.attacks.attack import Layer, attack
from tests.attacks.memory import flat_memory
from tests.attacks.stand import NEIGHBOUR, SETTINGS, Stand


@attack("have the server fetch a file that is all holes, as large as it can be", Layer.HOST)
async def test_a_file_of_holes_is_fetched_in_pieces(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await session.run(f"import os\nos.truncate(os.open('holes', os.O_CREAT | os.O_WRONLY), {SETTINGS.disk_bytes})")
        with flat_memory():
            assert await session.files.read("holes") == bytes(SETTINGS.disk_bytes)


@attack("make ten thousand files, and ask for all of them to come with the answer", Layer.HOST)
async def test_a_listing_has_an_end(stand: Stand) -> None:
    make = "for at in range(10_000): open(f'{at}' * 4, 'w').close()"
    async with stand.unharmed(10), stand.client() as client:
        with flat_memory():
            limits: Any = {"disk_bytes": 512 * MIB, "memory_bytes": 1024 * MIB, "timeout_s": 10}
            execution = await client.run(make, return_files=["**"], **limits)
    assert (execution.outcome, len(execution.files)) == ("ok", 1000)
    assert {info.content for info in execution.files} == {b""}


@attack("have a thousand files, each as large as an answer may be, come with the answer", Layer.HOST)
async def test_files_with_the_answer_have_room_for_one_in_all(stand: Stand) -> None:
    size = SETTINGS.results_bytes
    make = f"""
        import os
        os.truncate(os.open("f", os.O_CREAT | os.O_WRONLY), {size})
        for at in range(998): os.link("f", f"f{{at}}")
    """
    async with stand.unharmed(), stand.client() as client:
        with flat_memory():
            execution = await client.run(dedent(make), return_files=["*"])
    assert (execution.outcome, len(execution.files)) == ("ok", 999)
    assert [len(info.content) for info in execution.files if info.content is not None] == [size]


@attack("have a small file come with the answer that grows while it is read", Layer.HOST)
async def test_a_growing_file_is_read_as_it_was(stand: Stand) -> None:
    # The moment at which the server has asked for the size, and not yet for the content, is in one of these steps.
    grow = """
        import os, time
        file = os.open("f", os.O_CREAT | os.O_WRONLY)
        os.ftruncate(file, 300_000)
        if not os.fork():
            time.sleep({step} * 0.0001)
            os.ftruncate(file, 16 << 20)
            os._exit(0)
    """
    async with stand.unharmed(), stand.client() as client, client.session(results_bytes=MIB) as session:
        for step in range(60):
            execution = await session.run(dedent(grow.format(step=step)), return_files=["f"])
            assert all(len(info.content or b"") <= MIB for info in execution.files), step


@attack("have files looked for by patterns that take long to try", Layer.HOST)
async def test_patterns_of_files_hold_up_nobody(stand: Stand) -> None:
    # Paths of a claim that is forged, since no honest one has so many long ones.
    names = [{"path": "a" * 4000 + str(number), "kind": "file"} for number in range(500)]
    claim = json.dumps({"files": names}).encode()
    payload = len(claim).to_bytes(4, "little") + claim
    forge = f"import os, time\nbody = {payload!r}\n"
    forge += "os.write(3, len(body).to_bytes(4, 'little') + bytes([19]) + body)\ntime.sleep(9)"
    patterns = ["*" + "a" * 250 + "b", "*" + "?" * 250 + "b", "*a" * 125 + "b", "*[!b]" * 50 + "b"] * 4
    over = anyio.Event()

    async def make(client: AsyncClient) -> None:
        await client.run(forge, return_files=patterns)
        over.set()

    async with stand.unharmed(), stand.client() as client, stand.client(NEIGHBOUR) as neighbour:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make, client)
            while not over.is_set():
                asked = anyio.current_time()
                await neighbour.health()
                assert anyio.current_time() - asked < 3
