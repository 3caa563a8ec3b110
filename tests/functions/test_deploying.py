from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from insitu.errors import (
    Conflict,
    InsituError,
    InvalidRequest,
    NotFound,
    OverCeiling,
    PathRefused,
    QuotaExceeded,
    TooLarge,
)
from insitu.functions import Functions, FunctionSpec
from tests.functions.conftest import Opened
from tests.functions.sources import ADD, COUNT, OWNER, spec


async def test_each_deployment_is_a_version(functions: Functions) -> None:
    first = await functions.deploy(OWNER, "f", spec(ADD))
    second = await functions.deploy(OWNER, "f", spec(COUNT))
    assert (first.version, second.version) == (1, 2)
    info = await functions.get(OWNER, "f")
    assert (info.versions, info.latest.revision) == ((1, 2), second.revision)
    assert (await functions.revision(OWNER, "f", "1")).spec == first.spec
    assert [each.version for each in (await functions.versions(OWNER, "f")).data] == [1, 2]


async def test_what_is_there_already_is_not_deployed_again(functions: Functions) -> None:
    first = await functions.deploy(OWNER, "f", spec(ADD, env_vars={"A": "1"}))
    assert await functions.deploy(OWNER, "f", spec(ADD, env_vars={"A": "1"})) == first
    assert (await functions.deploy(OWNER, "f", spec(ADD, env_vars={"A": "2"}))).version == 2


async def test_a_deployment_that_is_not_published_has_no_number(functions: Functions) -> None:
    first = await functions.deploy(OWNER, "f", spec(ADD), publish=False)
    assert (first.version, (await functions.get(OWNER, "f")).versions) == (None, ())
    assert (await functions.publish(OWNER, "f")).version == 1
    assert (await functions.publish(OWNER, "f")).version == 1
    assert (await functions.invoke(OWNER, "f", [1])).version == 1


async def test_a_revision_that_nothing_names_is_forgotten(functions: Functions) -> None:
    first = await functions.deploy(OWNER, "f", spec(ADD), publish=False)
    await functions.deploy(OWNER, "f", spec(COUNT), publish=False)
    with pytest.raises(NotFound):
        await functions.publish(OWNER, "f", first.revision)


async def test_two_deployments_at_once_are_two_versions(functions: Functions) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(functions.deploy, OWNER, "f", spec(f"def main(): return {number}"))
    info = await functions.get(OWNER, "f")
    assert info.versions == tuple(range(1, 11))
    values = {(await functions.invoke(OWNER, "f", qualifier=str(number))).result for number in info.versions}
    assert values == set(range(10))


async def test_only_one_of_many_makes_what_must_be_new(functions: Functions) -> None:
    made, refused = [], []

    async def make(number: int) -> None:
        try:
            made.append(await functions.deploy(OWNER, "f", spec(f"def main(): return {number}"), only="new"))
        except Conflict as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(make, number)
    assert (len(made), len(refused)) == (1, 4)
    with pytest.raises(NotFound):
        await functions.deploy(OWNER, "g", spec(ADD), only="existing")


async def test_an_alias_names_a_version_until_it_names_another(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", spec("def main(): return 'old'"))
    await functions.deploy(OWNER, "f", spec("def main(): return 'new'"))
    await functions.set_alias(OWNER, "f", "live", 1)
    assert (await functions.invoke(OWNER, "f", qualifier="live")).result == "old"
    await functions.set_alias(OWNER, "f", "live", 2)
    assert (await functions.invoke(OWNER, "f", qualifier="live")).result == "new"
    with pytest.raises(Conflict, match="the alias 'live' names version 2"):
        await functions.delete(OWNER, "f", "2")
    await functions.delete_alias(OWNER, "f", "live")
    with pytest.raises(NotFound):
        await functions.invoke(OWNER, "f", qualifier="live")


@pytest.mark.parametrize("alias", ["", "12", "a b", "$LATEST", "x" * 129])
async def test_names_that_no_alias_can_have(functions: Functions, alias: str) -> None:
    await functions.deploy(OWNER, "f", spec(ADD))
    with pytest.raises(InvalidRequest):
        await functions.set_alias(OWNER, "f", alias, 1)


async def test_a_version_that_is_deleted_is_gone_and_its_number_is_not_given_again(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", spec("def main(): return 1"))
    await functions.deploy(OWNER, "f", spec("def main(): return 2"))
    await functions.delete(OWNER, "f", "1")
    with pytest.raises(NotFound):
        await functions.invoke(OWNER, "f", qualifier="1")
    await functions.delete(OWNER, "f", "2")  # the newest stays, without its number
    assert (await functions.invoke(OWNER, "f")).result == 2
    assert (await functions.publish(OWNER, "f")).version == 3


@pytest.mark.parametrize("qualifier", ["0", "x", "$LATEST", "-1", "9" * 30, f"{1:018}{10**30}"])
async def test_only_versions_are_deleted_by_number(functions: Functions, qualifier: str) -> None:
    await functions.deploy(OWNER, "f", spec(ADD))
    with pytest.raises((InvalidRequest, NotFound)):
        await functions.delete(OWNER, "f", qualifier)
    assert (await functions.invoke(OWNER, "f", [1])).result == 2


async def test_functions_of_another_owner_are_not_there(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", spec(ADD))
    await functions.deploy("bob", "f", spec("def main(): return 'of bob'"))
    assert (await functions.invoke("bob", "f")).result == "of bob"
    assert (await functions.invoke(OWNER, "f", [1])).result == 2
    assert (await functions.list("eve")).data == []
    for attempt in (functions.get, functions.invoke, functions.submit, functions.delete, functions.logs):
        with pytest.raises(NotFound, match="there is no function 'f'"):
            await attempt("eve", "f")


BAD: dict[str, tuple[str, dict[str, Any], type[InsituError]]] = {
    "an empty name": ("", {}, InvalidRequest),
    "a name with a slash": ("a/b", {}, InvalidRequest),
    "a long name": ("a" * 65, {}, InvalidRequest),
    "a line break in the name": ("a\n", {}, InvalidRequest),
    "a handler without a module": ("f", {"handler": "main"}, InvalidRequest),
    "a handler that is code": ("f", {"handler": "os.system('x')"}, InvalidRequest),
    "no files": ("f", {"files": {}}, InvalidRequest),
    "a file above": ("f", {"files": {"../x.py": b""}}, PathRefused),
    "a file elsewhere": ("f", {"files": {"/etc/passwd": b""}}, PathRefused),
    "a file that is a folder": ("f", {"files": {"a": b"", "a/b": b""}}, PathRefused),
    "a file that is a folder of a folder": (
        "f",
        {"files": dict.fromkeys(["a/b/c/d", "a", "a-", "a.b"], b"")},
        PathRefused,
    ),
    "a path that is no text": ("f", {"files": {"\ud800": b""}}, PathRefused),
    "a path with a NUL": ("f", {"files": {"a\0b": b""}}, PathRefused),
    "too many files": ("f", {"files": {f"{n}.py": b"" for n in range(1001)}}, InvalidRequest),
    "too much code": ("f", {"files": {"a.py": bytes(300 << 20)}}, TooLarge),
    "too many variables": ("f", {"env_vars": {str(number): "x" * 30_000 for number in range(9)}}, TooLarge),
    "an unknown environment": ("f", {"environment": "nix"}, InvalidRequest),
    "no schema": ("f", {"schema": {"type": "nothing"}}, InvalidRequest),
    "an impossible variable": ("f", {"env_vars": {"A=B": "1"}}, InvalidRequest),
    "a time that is too long": ("f", {"timeout_s": 1e9}, OverCeiling),
    "no time": ("f", {"timeout_s": 0.0}, InvalidRequest),
    "a negative concurrency": ("f", {"concurrency": -1}, InvalidRequest),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_deployed_leaves_nothing(functions: Functions, what: str) -> None:
    name, options, error = BAD[what]
    with pytest.raises(error):
        await functions.deploy(OWNER, name, replace(spec(ADD), **options))
    assert (await functions.list(OWNER)).data == []


async def test_what_is_stored_for_an_owner_is_bounded(opened: Opened) -> None:
    async with opened(limit=20_000) as functions:
        await functions.deploy(OWNER, "f", spec(ADD))
        with pytest.raises(QuotaExceeded):
            await functions.deploy(OWNER, "f", FunctionSpec({"function.py": b"#" * 20_000}, "function.main"))
        assert (await functions.get(OWNER, "f")).versions == (1,)


async def test_functions_are_there_again_after_a_restart(opened: Opened) -> None:
    made = FunctionSpec(
        {
            "pkg/__init__.py": b"",
            "pkg/app.py": b"import os\ndef go(): return os.environ['A'] + open('data').read()",
            "data": b"\xc3\xa4",
        },
        "pkg.app.go",
        env_vars={"A": "secret"},
        schema={"type": "object"},
        metadata={"Role": "r"},
        concurrency=3,
    )
    async with opened() as functions:
        await functions.deploy(OWNER, "f", made)
        await functions.set_alias(OWNER, "f", "live", 1)
    async with opened() as functions:
        assert (await functions.revision(OWNER, "f", "live")).spec == made
        assert (await functions.invoke(OWNER, "f")).result == "secretä"
        assert "secret" not in repr(await functions.get(OWNER, "f"))
