"""Many at once: deployments, and what becomes of invocations while their version is deleted."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from insitu.engine import Engine, Session
from insitu.errors import Conflict, FileMissing, NotFound
from insitu.functions import Functions, FunctionSpec, Invocation
from tests.functions.conftest import Opened, held
from tests.functions.sources import COUNT, OWNER, WAIT, spec


def marked(number: int) -> FunctionSpec:
    """Two modules that belong together."""
    main = f"def main():\n    import other\n    return [{number}, other.VALUE]"
    return FunctionSpec({"function.py": main.encode(), "other.py": f"VALUE = {number}".encode()}, "function.main")


async def test_deployments_to_two_servers_at_once_are_all_whole_and_each_has_its_version(opened: Opened) -> None:
    async with opened() as one, opened() as other:
        versions: dict[int | None, int] = {}

        async def deploy(server: Functions, number: int) -> None:
            versions[(await server.deploy(OWNER, "f", marked(number))).version] = number

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(deploy, (one, other)[number % 2], number)
        assert sorted(versions, key=str) == [1, 2, 3, 4, 5, 6]
        for version, number in versions.items():
            assert (await one.invoke(OWNER, "f", qualifier=str(version))).result == [number, number]
        assert (await other.invoke(OWNER, "f")).result == [versions[6], versions[6]]


async def test_of_the_same_deployed_many_times_at_once_there_is_one(functions: Functions) -> None:
    made: list[Any] = []

    async def deploy() -> None:
        made.append(await functions.deploy(OWNER, "f", marked(0)))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(deploy)
    assert made == [made[0]] * 8
    assert (await functions.get(OWNER, "f")).versions == (1,)


async def test_of_many_that_make_an_alias_at_once_one_does(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", marked(0))
    ends: list[str] = []

    async def make() -> None:
        try:
            await functions.set_alias(OWNER, "f", "live", 1, new=True)
            ends.append("made")
        except Conflict as error:
            ends.append(error.message)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(make)
    assert sorted(ends) == ["made", *["the function 'f' has an alias 'live' already"] * 3]


async def test_a_version_that_is_deleted_lets_what_runs_end_and_tells_the_others(
    functions: Functions, engine: Engine
) -> None:
    await functions.deploy(OWNER, "f", spec(WAIT, concurrency=2))
    await functions.deploy(OWNER, "f", spec("def main(): return 'newer'"))
    awaited: list[Invocation] = []

    async def invoke() -> None:
        awaited.append(await functions.invoke(OWNER, "f", qualifier="1"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(invoke)
        running = await functions.submit(OWNER, "f", qualifier="1")
        sandboxes = [await _up(engine, number) for number in range(2)]
        waiting = await functions.submit(OWNER, "f", qualifier="1")
        await functions.delete(OWNER, "f", "1")
        told = await functions.wait(OWNER, waiting.id)
        for call in (functions.invoke, functions.submit):
            with pytest.raises(NotFound, match="the function 'f' has no version or alias '1'"):
                await call(OWNER, "f", qualifier="1")
        for sandbox in sandboxes:
            await sandbox.files.delete("go")
    accepted = await functions.wait(OWNER, running.id)
    assert [(each.outcome, each.result) for each in (*awaited, accepted)] == [("ok", "done")] * 2
    assert (told.outcome, told.error and told.error.name) == ("cancelled", "NotFound")
    assert (await functions.invoke(OWNER, "f")).result == "newer"


async def test_who_comes_before_a_deletion_is_answered_and_who_comes_after_is_told(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", spec(COUNT))
    await functions.invoke(OWNER, "f")
    ended: dict[int, object] = {}

    async def invoke(number: int) -> None:
        try:
            ended[number] = (await functions.invoke(OWNER, "f")).outcome
        except NotFound:
            ended[number] = NotFound

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(invoke, number)
            if number == 4:
                tasks.start_soon(functions.delete, OWNER, "f")
    # The first finds a warm sandbox; those after it need the code, which may be gone.
    assert ended[0] == "ok"
    assert {ended[number] for number in range(1, 5)} <= {"ok", NotFound}
    assert {ended[number] for number in range(5, 10)} == {NotFound}


async def test_deployments_take_nothing_from_invocations_of_the_newest(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", spec("def main(): return 0"), publish=False)
    results: list[Any] = []

    async def invoke() -> None:
        accepted = await functions.submit(OWNER, "f")
        results.append((await functions.invoke(OWNER, "f")).result)
        results.append((await functions.wait(OWNER, accepted.id)).result)

    async with anyio.create_task_group() as tasks:
        for number in range(1, 9):
            tasks.start_soon(invoke)
            tasks.start_soon(partial(functions.deploy, OWNER, "f", spec(f"def main(): return {number}"), publish=False))
    assert len(results) == 16
    assert set(results) <= set(range(9))


async def _up(engine: Engine, number: int) -> Session:
    """One of the sandboxes, once the code in it runs."""
    while len(held(engine)) <= number:
        await anyio.lowlevel.checkpoint()
    session = held(engine)[number]
    while True:
        try:
            await session.files.size("go")
            return session
        except FileMissing:
            await anyio.lowlevel.checkpoint()
