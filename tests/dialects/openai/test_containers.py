"""Containers by OpenAI's own client: made, listed, expired, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from insitu.settings import Settings
from insitu.types import GIB
from tests.support.containers import content, execute, kill_sandbox, listed, session_of
from tests.support.forms import error_of, refused
from tests.support.model import ScriptedModel, say
from tests.support.responses import ask, run
from tests.support.serving import serving


@pytest.fixture
def container(client: OpenAI) -> Iterator[str]:
    """The id of a new container."""
    made = client.containers.create(name="new")
    yield made.id
    try:
        client.containers.delete(made.id)
    except NotFoundError:
        pass


def test_a_container_is_made_without_a_sandbox(client: OpenAI) -> None:
    before = int(time.time())
    made = client.containers.create(name="mine", memory_limit="1g")
    assert before <= made.created_at <= time.time()
    assert made.id.startswith("cntr_")
    assert made.to_dict() == {
        "id": made.id,
        "object": "container",
        "created_at": made.created_at,
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
        "last_active_at": made.last_active_at,
        "memory_limit": "1g",
        "name": "mine",
        "network_policy": {"type": "disabled"},
    }
    assert client.containers.retrieve(made.id).to_dict() == made.to_dict()
    assert client.containers.files.list(made.id).data == []
    assert session_of(client, made.id) is None


async def test_the_asynchronous_client_does_the_same(async_client: AsyncOpenAI) -> None:
    made = await async_client.containers.create(name="mine")
    file = await async_client.containers.files.create(made.id, file=("a.txt", b"hello"))
    answer = await async_client.containers.files.content.retrieve(file.id, container_id=made.id)
    assert answer.read() == b"hello"
    assert [each.id async for each in async_client.containers.files.list(made.id)] == [file.id]
    await async_client.containers.delete(made.id)


def test_what_a_container_is_made_with_holds_in_it(client: OpenAI) -> None:
    files = [client.files.create(file=(f"{n}.txt", b"x" * n), purpose="user_data").id for n in (1, 2)]
    made = client.containers.create(
        name="mine",
        file_ids=[*files, files[0]],
        memory_limit="4g",
        expires_after={"anchor": "last_active_at", "minutes": 3},
        network_policy={"type": "disabled"},
    )
    assert (made.memory_limit, made.expires_after and made.expires_after.minutes) == ("4g", 3)
    found = listed(client, made.id)
    assert {path: (file.bytes, file.source) for path, file in found.items()} == {
        "/mnt/data/1.txt": (1, "user"),
        "/mnt/data/2.txt": (2, "user"),
    }
    assert execute(client, made.id, "import os; print(sorted(os.listdir()))") == "['1.txt', '2.txt']\n"
    client.containers.delete(made.id)


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        ({"name": 1}, "name", "it should be a valid string"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"memory_limit": "2g"}, "memory_limit", "must be one of: 1g, 4g, 16g, 64g"),
        (
            {"memory_limit": "64g"},
            "memory_limit",
            "memory_limit is 64g, over this server's ceiling of 8589934592 bytes",
        ),
        ({"expires_after": {"anchor": "last_active_at", "minutes": 0}}, "expires_after.minutes", "or equal to 1"),
        (
            {"expires_after": {"anchor": "last_active_at", "minutes": 1441}},
            "expires_after.minutes",
            "expires_after.minutes is 1441, over this server's ceiling of 1440",
        ),
        ({"expires_after": {"anchor": "created_at", "minutes": 1}}, "expires_after.anchor", "'last_active_at'"),
        (
            {"network_policy": {"type": "allowlist", "allowed_domains": ["pypi.org"]}},
            "network_policy",
            "sandboxes here have no network",
        ),
        ({"skills": [{"type": "skill_reference", "skill_id": "s"}]}, "skills", "skills are not supported"),
        ({"extra_body": {"image": "x"}}, "image", "image: there is no such field"),
    ],
    ids=str,
)
def test_what_a_container_cannot_be_is_told(client: OpenAI, asked: dict[str, Any], param: str, words: str) -> None:
    error = refused(lambda: client.containers.create(**{"name": "mine", **asked}))
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]


def test_a_file_that_is_not_there_is_named(client: OpenAI, stranger: OpenAI) -> None:
    theirs = stranger.files.create(file=b"x", purpose="user_data").id
    for file_id in ("file-none", theirs):
        error = refused(partial(client.containers.create, name="x", file_ids=[file_id]), 404)
        assert (
            error["message"]
            == f"there is no file '{file_id}' (it is not of this key, was deleted, or its time is over)"
        )


def test_nonsense_is_no_container(client: OpenAI) -> None:
    nonsense = refused(lambda: client.post("/containers", content=b"{", cast_to=object))
    assert nonsense["message"].startswith("the body is not valid JSON: ")
    assert refused(lambda: client.post("/containers", body=[], cast_to=object))["param"] is None
    assert refused(lambda: client.post("/containers", body={}, cast_to=object))["param"] == "name"


def test_containers_are_listed_in_parts_and_by_name(client: OpenAI) -> None:
    made = [client.containers.create(name=f"list-{n % 2}").id for n in range(4)]
    assert [each.id for each in client.containers.list(limit=4)][:4] == made[::-1]
    assert [each.id for each in client.containers.list(name="list-1")] == [made[3], made[1]]
    first = client.containers.list(name="list-0", order="asc", limit=1)
    assert ([each.id for each in first.data], first.has_more) == ([made[0]], True)
    assert [each.id for each in first] == [made[0], made[2]]
    assert client.containers.list(after=made[0], order="asc", limit=2).data[0].id == made[1]
    for container_id in made:
        client.containers.delete(container_id)


@pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("order=x", "order")])
def test_a_list_that_cannot_be_is_refused(client: OpenAI, container: str, query: str, param: str) -> None:
    asked = dict([query.split("=")])
    assert refused(lambda: client.containers.list(extra_query=asked))["param"] == param
    assert refused(lambda: client.containers.files.list(container, extra_query=asked))["param"] == param


def test_a_deleted_container_is_gone_with_its_sandbox(client: OpenAI, container: str) -> None:
    file = client.containers.files.create(container, file=("a.txt", b"x"))
    assert session_of(client, container) is not None
    gone = client.delete(f"/containers/{container}", cast_to=object)
    assert gone == {"id": container, "object": "container.deleted", "deleted": True}
    assert session_of(client, container) is None
    assert container not in [each.id for each in client.containers.list()]
    for call in (
        lambda: client.containers.retrieve(container),
        lambda: client.containers.delete(container),
        lambda: client.containers.files.list(container),
        lambda: client.containers.files.retrieve(file.id, container_id=container),
    ):
        error = refused(call, 404)
        assert (error["code"], error["message"]) == (
            "not_found",
            f"there is no container '{container}' (it is not of this key, was deleted, or its time is over)",
        )


def test_someone_elses_container_is_not_there(client: OpenAI, stranger: OpenAI, container: str) -> None:
    file = client.containers.files.create(container, file=("a.txt", b"mine"))
    files = stranger.containers.files
    for call in (
        lambda: stranger.containers.retrieve(container),
        lambda: stranger.containers.delete(container),
        lambda: files.list(container),
        lambda: files.create(container, file=("b.txt", b"theirs")),
        lambda: files.retrieve(file.id, container_id=container),
        lambda: files.delete(file.id, container_id=container),
        lambda: files.content.retrieve(file.id, container_id=container),
    ):
        assert (
            refused(call, 404)["message"]
            == f"there is no container '{container}' (it is not of this key, was deleted, or its time is over)"
        )
    assert container not in [each.id for each in stranger.containers.list()]
    own = stranger.containers.create(name="own").id
    assert refused(lambda: files.retrieve(file.id, container_id=own), 404)["code"] == "not_found"
    assert content(client, container, file.id) == b"mine"


def test_a_container_that_is_not_used_expires(
    settings: Callable[..., Settings],
    connect: Callable[..., OpenAI],
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    with serving(settings(max_idle_timeout_s=0.2)) as address:
        client = connect(address)
        unused, used = client.containers.create(name="unused"), client.containers.create(name="used")
        assert used.expires_after is not None
        assert used.expires_after.minutes == 1
        client.containers.files.create(used.id, file=("a.txt", b"x"))
        for container in (unused, used):
            eventually(partial(has_expired, client, container.id))
            assert_expired(client, container.id)
        assert [each.status for each in client.containers.list()] == ["expired", "expired"]


def test_a_container_whose_sandbox_died_has_expired(client: OpenAI, container: str) -> None:
    file = client.containers.files.create(container, file=("a.txt", b"x"))
    kill_sandbox(client, container)
    assert has_expired(client, container)
    assert_expired(client, container)
    assert refused(lambda: content(client, container, file.id), 404)["code"] == "container_expired"


def has_expired(client: OpenAI, container_id: str) -> bool:
    return client.containers.retrieve(container_id).status == "expired"


def assert_expired(client: OpenAI, container_id: str) -> None:
    """It is still there to be looked at, and nothing can be put into it."""
    uploaded = client.files.create(file=b"x", purpose="user_data").id
    files = client.containers.files
    for call in (
        lambda: files.create(container_id, file=("b.txt", b"x")),
        lambda: files.create(container_id, file_id=uploaded),
    ):
        error = refused(call, 404)
        assert (error["type"], error["code"]) == ("not_found_error", "container_expired")
        assert error["message"].startswith(f"the container '{container_id}' has expired: ")


def test_after_a_restart_a_container_has_expired_and_what_was_kept_is_there(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel, tmp_path: Path
) -> None:
    with serving(settings(data_dir=tmp_path)) as address:
        client = connect(address)
        container = client.containers.create(name="mine").id
        python = {"type": "code_interpreter", "container": container}
        model.script(run("open('made.txt', 'w').write('by code')"), say("Done."))
        assert ask(client, tools=[python]).output_text.startswith("Done.")
        client.containers.files.create(container, file=("own.txt", b"by its user"))
        before = listed(client, container)
    with serving(settings(data_dir=tmp_path)) as address:
        client = connect(address)
        assert client.containers.retrieve(container).status == "expired"
        assert [each.status for each in client.containers.list()] == ["expired"]
        assert listed(client, container) == before
        made, own = before["/mnt/data/made.txt"], before["/mnt/data/own.txt"]
        assert (made.source, own.source) == ("assistant", "user")
        assert content(client, container, made.id) == b"by code"
        assert client.containers.files.retrieve(made.id, container_id=container).to_dict() == made.to_dict()
        error = refused(lambda: content(client, container, own.id), 404)
        assert error["code"] == "container_expired"
        assert "the server that held it has stopped" in error["message"]
        assert_expired(client, container)
        error = refused(lambda: ask(client, tools=[python]), 404)
        assert error["code"] == "container_expired"
        client.containers.delete(container)
        blobs = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        assert len(blobs) == len(client.files.list().data)
        assert refused(lambda: content(client, container, made.id), 404)["code"] == "not_found"


def test_the_operators_ceiling_is_named(settings: Callable[..., Settings], connect: Callable[..., OpenAI]) -> None:
    with serving(settings(pool_size=0, max_memory_bytes=2 * GIB)) as address:
        with pytest.raises(BadRequestError) as answer:
            connect(address).containers.create(name="large", memory_limit="4g")
    error = error_of(answer.value)
    assert (error["param"], error["code"]) == ("memory_limit", "over_ceiling")
    assert "4g, over this server's ceiling of 2147483648 bytes" in error["message"]
    assert "max_memory_bytes" in error["message"]
