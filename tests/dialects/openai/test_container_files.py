"""The files of containers by OpenAI's own client: put there, made by code, downloaded, deleted, kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx2
import pytest
from openai import NotFoundError, OpenAI

from insitu.settings import Settings
from tests.support.containers import content, execute, listed, session_of
from tests.support.forms import HEADERS, error_of, field, file_part, form, refused
from tests.support.model import ScriptedModel, say
from tests.support.responses import ask, run
from tests.support.serving import serving

MIB = 1 << 20


@pytest.fixture(scope="module")
def container(client: OpenAI) -> Iterator[str]:
    """The id of a container that the tests share."""
    made = client.containers.create(name="shared")
    yield made.id
    client.containers.delete(made.id)


@pytest.fixture
def own(client: OpenAI) -> Iterator[str]:
    """The id of a container that no other test has."""
    made = client.containers.create(name="own")
    yield made.id
    client.containers.delete(made.id)


@pytest.fixture
def post(http: httpx2.Client, container: str) -> Callable[..., httpx2.Response]:
    """Sends a body as it is."""
    return lambda body, headers=HEADERS: http.post(f"/v1/containers/{container}/files", content=body, headers=headers)


def test_a_file_is_put_where_code_finds_it(client: OpenAI, container: str) -> None:
    before = int(time.time())
    made = client.containers.files.create(container, file=("ä b.csv", b"1,2"))
    assert before <= made.created_at <= time.time()
    assert made.id.startswith("cfile_")
    assert made.to_dict() == {
        "id": made.id,
        "object": "container.file",
        "bytes": 3,
        "container_id": container,
        "created_at": made.created_at,
        "path": "/mnt/data/ä b.csv",
        "source": "user",
    }
    assert execute(client, container, "print(open('/mnt/data/ä b.csv').read())") == "1,2\n"
    found = client.containers.files.retrieve(made.id, container_id=container)
    assert found.to_dict() == listed(client, container)["/mnt/data/ä b.csv"].to_dict() == made.to_dict()
    assert content(client, container, made.id) == b"1,2"


def test_an_uploaded_file_is_copied(client: OpenAI, container: str) -> None:
    uploaded = client.files.create(file=("copied.txt", b"copy me"), purpose="user_data")
    made = client.containers.files.create(container, file_id=uploaded.id)
    assert (made.path, made.bytes, made.source) == ("/mnt/data/copied.txt", 7, "user")
    client.files.delete(uploaded.id)
    assert content(client, container, made.id) == b"copy me"


def test_an_id_may_come_in_a_form(client: OpenAI, post: Callable[..., httpx2.Response]) -> None:
    uploaded = client.files.create(file=("in-a-form.txt", b"x"), purpose="user_data")
    assert post(form(field("file_id", uploaded.id))).json()["path"] == "/mnt/data/in-a-form.txt"


def test_folders_on_the_way_are_made(client: OpenAI, container: str) -> None:
    made = client.containers.files.create(container, file=("new/folder/a.txt", b"x"))
    assert made.path == "/mnt/data/new/folder/a.txt"
    assert client.containers.files.create(container, file=("/mnt/data/new/b.txt", b"x")).path == "/mnt/data/new/b.txt"


def test_a_file_of_the_same_path_is_the_same_file(client: OpenAI, container: str) -> None:
    first = client.containers.files.create(container, file=("twice.txt", b"a long one"))
    second = client.containers.files.create(container, file=("twice.txt", b"short"))
    assert (second.id, second.bytes) == (first.id, 5)
    assert content(client, container, first.id) == b"short"


def test_what_code_makes_is_found(client: OpenAI, own: str) -> None:
    client.containers.files.create(own, file=("given.txt", b"x"))
    code = """
import os
os.makedirs("deep/er"); os.makedirs(".insitu")
open("made.txt", "w").write("made"); open("deep/er/b", "w").close(); open("given.txt", "a").write("yz")
open(".insitu/hidden", "w").close(); os.symlink("/etc/passwd", "link"); os.mkfifo("pipe")
"""
    execute(client, own, code)
    found = listed(client, own)
    assert {path: (file.bytes, file.source) for path, file in found.items()} == {
        "/mnt/data/given.txt": (3, "user"),
        "/mnt/data/made.txt": (4, "assistant"),
        "/mnt/data/deep/er/b": (0, "assistant"),
    }
    assert listed(client, own) == found
    assert content(client, own, found["/mnt/data/made.txt"].id) == b"made"
    assert content(client, own, found["/mnt/data/deep/er/b"].id) == b""


def test_what_code_deletes_is_gone(client: OpenAI, own: str) -> None:
    one, two = (client.containers.files.create(own, file=(name, b"x")).id for name in ("one", "two"))
    execute(client, own, "import os; os.remove('one'); os.remove('two'); os.symlink('/etc/passwd', 'two')")
    told = refused(lambda: content(client, own, one), 404)["message"]
    assert told == f"there is no container file '{one}' (it is not of this key, was deleted, or its time is over)"
    assert refused(lambda: content(client, own, two), 404)["code"] == "not_found"
    with pytest.raises(NotFoundError):
        client.containers.files.retrieve(one, container_id=own)
    assert listed(client, own) == {}


def test_a_file_too_deep_for_a_listing_is_not_lost(client: OpenAI, own: str) -> None:
    deep = client.containers.files.create(own, file=("/".join("abcdefghijkl"), b"deep"))
    assert list(listed(client, own)) == [deep.path]
    assert content(client, own, deep.id) == b"deep"


def test_more_files_than_a_listing_holds_are_not_lost(client: OpenAI, own: str) -> None:
    given = client.containers.files.create(own, file=("zz/given.txt", b"x"))
    execute(client, own, "for n in range(1200): open(f'{n:04}', 'w').close()")
    found = list(client.containers.files.list(own, limit=100))
    assert given.id in [file.id for file in found]
    assert len({file.id for file in found}) == len(found) > 900


def test_a_response_keeps_what_its_code_has_made(client: OpenAI, own: str, model: ScriptedModel) -> None:
    model.script(run("open('kept.txt', 'w').write('kept')"), say("Done."))
    ask(client, tools=[{"type": "code_interpreter", "container": own}])
    made = listed(client, own)["/mnt/data/kept.txt"]
    execute(client, own, "open('kept.txt', 'w').write('look')")
    assert content(client, own, made.id) == b"look"
    execute(client, own, "import os; os.remove('kept.txt')")
    assert listed(client, own)["/mnt/data/kept.txt"] == made
    assert content(client, own, made.id) == b"kept"
    client.containers.files.delete(made.id, container_id=own)
    assert listed(client, own) == {}


def test_a_deleted_file_is_gone_for_code_too(client: OpenAI, own: str) -> None:
    file = client.containers.files.create(own, file=("a.txt", b"x"))
    gone = client.delete(f"/containers/{own}/files/{file.id}", cast_to=object)
    assert gone == {"id": file.id, "object": "container.file.deleted", "deleted": True}
    assert execute(client, own, "import os; print(os.listdir())") == "[]\n"
    with pytest.raises(NotFoundError):
        client.containers.files.delete(file.id, container_id=own)


def test_a_part_of_a_file_can_be_had_and_no_browser_runs_it(client: OpenAI, container: str) -> None:
    page = client.containers.files.create(container, file=("page.html", b"<script>1</script>"))
    retrieve = client.containers.files.content.retrieve
    answer = retrieve(page.id, container_id=container, extra_headers={"range": "bytes=1-6"}).response
    assert (answer.status_code, answer.content) == (206, b"script")
    assert answer.headers["content-range"] == "bytes 1-6/18"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename=\"page.html\"; filename*=UTF-8''page.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    past = refused(
        lambda: retrieve(page.id, container_id=container, extra_headers={"range": "bytes=18-"}),
        416,
    )
    assert past["code"] == "range_not_satisfiable"


def test_files_are_listed_in_parts(client: OpenAI, own: str) -> None:
    made = [client.containers.files.create(own, file=(f"{n}.txt", b"x")).id for n in range(3)]
    assert [file.id for file in client.containers.files.list(own).data] == made[::-1]
    first = client.containers.files.list(own, limit=2, order="asc")
    assert ([file.id for file in first.data], first.has_more) == (made[:2], True)
    assert [file.id for file in first] == made
    assert [file.id for file in client.containers.files.list(own, after=made[1]).data] == [made[0]]
    with pytest.raises(NotFoundError):
        client.containers.files.list(own, after="cfile_none")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (form(), "file", "the request has neither a file nor a file_id"),
        (form(file_part(), file_part()), "file", "file is given twice"),
        (form(file_part(), field("file_id", "file-1")), "file_id", "the request has both a file and a file_id"),
        (form(field("file_id", "file-1"), file_part()), "file_id", "the request has both a file and a file_id"),
        (form(file_part(), field("purpose", "vision")), "purpose", "purpose: there is no such field"),
        (form(file_part(filename="../a")), None, "it has a part '..'"),
        (form(file_part(filename="/etc/passwd")), None, "it is absolute, and not below the workspace"),
        (form(file_part())[:-9], None, "the form breaks off"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_form_that_is_not_right_is_told_what_is_wrong(
    post: Callable[..., httpx2.Response], client: OpenAI, container: str, body: bytes, param: str | None, words: str
) -> None:
    before = listed(client, container)
    answer = post(body)
    assert answer.status_code == 400
    assert error_of(answer)["param"] == param
    assert words in error_of(answer)["message"]
    assert listed(client, container) == before


def test_json_that_is_not_right_is_told_what_is_wrong(
    post: Callable[..., httpx2.Response], client: OpenAI, container: str
) -> None:
    neither = refused(lambda: client.containers.files.create(container))
    assert (neither["param"], neither["message"]) == ("file", "the request has neither a file nor a file_id")
    assert refused(lambda: client.containers.files.create(container, file_id="file-none"), 404)["message"] == (
        "there is no file 'file-none' (it is not of this key, was deleted, or its time is over)"
    )
    answer = post(b'{"file_id": 1}', {"content-type": "application/json"})
    assert (answer.status_code, error_of(answer)["param"]) == (400, "file_id")


def test_a_file_that_does_not_fit_is_413_and_leaves_nothing(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI]
) -> None:
    with serving(settings(pool_size=0, upload_bytes=MIB, disk_bytes=2 * MIB)) as address:
        client = connect(address)
        container = client.containers.create(name="small").id
        create = client.containers.files.create
        for size in (MIB + 1, 3 * MIB):
            too_large = refused(partial(create, container, file=("a", bytes(size))), 413)
            assert too_large["code"] == "too_large"
        assert create(container, file=("fits", bytes(MIB))).bytes == MIB
        execute(client, container, "open('most of the rest', 'wb').write(bytes(900_000))")
        assert refused(lambda: create(container, file=("a", bytes(MIB))), 413)["code"] == "workspace_full"
        assert set(listed(client, container)) == {"/mnt/data/fits", "/mnt/data/most of the rest"}


def test_a_large_file_passes_unharmed(client: OpenAI, own: str) -> None:
    data = bytes(range(256)) * 40_000
    file = client.containers.files.create(own, file=("large.bin", data))
    assert file.bytes == len(data)
    assert content(client, own, file.id) == data
    assert session_of(client, own) is not None


def test_a_size_that_no_file_has_ends_no_turn(client: OpenAI, model: ScriptedModel) -> None:
    # Code that speaks in the place of its interpreter: a control frame that ends an execution.
    entry = {"path": "a", "kind": "file", "size": 1 << 80, "change": "x"}
    forge = f"""
import json, os, struct
text = json.dumps({{"files": [{entry!r}]}}).encode()
os.write(3, struct.pack("<IBI", len(text) + 4, 19, len(text)) + text)
os._exit(0)
"""
    model.script(run(forge), say("It is huge."))
    response = ask(client)
    assert (response.status, response.output_text) == ("completed", "It is huge.")
