"""Files by OpenAI's own client: uploaded, found again, downloaded, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast, get_args

import httpx2
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError, OpenAI, RateLimitError
from openai.types import FilePurpose
from openai.types.file_create_params import ExpiresAfter

from insitu.settings import Settings
from tests.support.forms import HEADERS, error_of, field, file_part, form, part
from tests.support.serving import serving

pytestmark = pytest.mark.client("openai")

MIB = 1 << 20
DAYS_30 = 30 * 24 * 3600
PURPOSE = field("purpose", "user_data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def small(settings: Callable[..., Settings], folder: Path) -> Iterator[str]:
    """A server that takes little."""
    with serving(settings(data_dir=folder, upload_bytes=2 * MIB, data_bytes_per_owner=3 * MIB)) as address:
        yield address


@pytest.fixture
def frugal(small: str, connect: Callable[..., OpenAI]) -> OpenAI:
    """Its client, who has stored nothing."""
    client = connect(small)
    for file in client.files.list():
        client.files.delete(file.id)
    return client


@pytest.fixture
def post(http: httpx2.Client) -> Callable[..., httpx2.Response]:
    """Sends a body as it is."""
    return lambda body, headers=HEADERS: http.post("/v1/files", content=body, headers=headers)


def blobs(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


@pytest.mark.shows("upload")
def test_an_uploaded_file_is_found_again_as_it_was(client: OpenAI) -> None:
    before = int(time.time())
    made = client.files.create(file=("ä b.csv", b"1,2"), purpose="user_data")
    assert before <= made.created_at <= time.time()
    assert made.id.startswith("file-")
    assert made.model_dump() == {
        "id": made.id,
        "object": "file",
        "bytes": 3,
        "created_at": made.created_at,
        "expires_at": made.created_at + DAYS_30,
        "filename": "ä b.csv",
        "purpose": "user_data",
        "status": "processed",
        "status_details": None,
    }
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == b"1,2"
    assert made in client.files.list().data


async def test_the_asynchronous_client_does_the_same(async_client: AsyncOpenAI) -> None:
    made = await async_client.files.create(file=b"\0\xff" * 100_000, purpose="vision")
    assert (made.filename, made.bytes) == ("upload", 200_000)
    assert (await async_client.files.content(made.id)).read() == b"\0\xff" * 100_000
    assert made.id in [file.id async for file in async_client.files.list(purpose="vision", limit=1)]
    assert (await async_client.files.delete(made.id)).deleted


def test_a_deleted_file_is_gone(client: OpenAI) -> None:
    file = client.files.create(file=b"x", purpose="batch")
    assert client.files.delete(file.id).model_dump() == {"id": file.id, "object": "file", "deleted": True}
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError) as refused:
            call(file.id)
        error = error_of(refused.value)
        assert (error["type"], error["code"]) == ("not_found_error", "not_found")
        assert (
            error["message"]
            == f"there is no file '{file.id}' (it is not of this key, was deleted, or its time is over)"
        )


def test_someone_elses_file_is_not_there(client: OpenAI, stranger: OpenAI) -> None:
    file = client.files.create(file=b"mine", purpose="user_data")
    for call in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(NotFoundError):
            call(file.id)
    assert file.id not in [each.id for each in stranger.files.list()]
    with pytest.raises(NotFoundError):
        stranger.files.list(after=file.id)
    assert client.files.content(file.id).read() == b"mine"


@pytest.mark.parametrize("seconds", [3600, 7200, DAYS_30])
def test_a_file_expires_when_its_owner_says(client: OpenAI, seconds: int) -> None:
    expiry: ExpiresAfter = {"anchor": "created_at", "seconds": seconds}
    file = client.files.create(file=b"x", purpose="batch", expires_after=expiry)
    assert file.expires_at is not None
    assert file.created_at + seconds - 1 <= file.expires_at <= file.created_at + seconds


@pytest.mark.parametrize("purpose", get_args(FilePurpose))
def test_every_purpose_of_openai_is_taken(client: OpenAI, purpose: FilePurpose) -> None:
    file = client.files.create(file=b"x", purpose=purpose)
    assert file.purpose == purpose


def test_fields_may_stand_behind_the_file(post: Callable[..., httpx2.Response], client: OpenAI) -> None:
    expiry = (field("expires_after[anchor]", "created_at"), field("expires_after[seconds]", "3600"))
    answer = post(form(file_part(b"first"), PURPOSE, *expiry))
    assert answer.status_code == 200
    assert client.files.content(answer.json()["id"]).read() == b"first"
    assert answer.json()["expires_at"] - answer.json()["created_at"] in (3599, 3600)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("/tmp/a", "a"),
        ("C:\\data\\a.txt", "a.txt"),
        (".env", ".env"),
    ],
)
def test_of_a_path_the_last_part_is_the_name(post: Callable[..., httpx2.Response], sent: str, kept: str) -> None:
    assert post(form(PURPOSE, file_part(b"x", sent))).json()["filename"] == kept


REFUSED: dict[str, tuple[bytes, str | None, str]] = {
    "no file": (form(PURPOSE), "file", "the form has no part named file"),
    "two files": (form(PURPOSE, file_part(), file_part()), "file", "file is given twice"),
    "a plain field": (form(PURPOSE, field("file", "x")), "file", "must be a file with a name, not a plain field"),
    "a nameless file": (form(PURPOSE, file_part(filename="")), "file", "must be a file with a name"),
    "no purpose": (form(file_part()), "purpose", "the form has no purpose"),
    "another purpose": (form(field("purpose", "fun"), file_part()), "purpose", "purpose is 'fun'; it must be one of: "),
    "two purposes": (form(PURPOSE, PURPOSE, file_part()), "purpose", "purpose is given twice"),
    "unknown": (form(PURPOSE, field("model", "m"), file_part()), "model", "model: there is no such field"),
    "not a name": (form(PURPOSE, file_part(filename="..")), "file", "'..' is no name that a file can have"),
    "too long": (form(PURPOSE, file_part(filename="x" * 256)), "file", "is no name that a file can have"),
    "no folder": (form(PURPOSE, file_part(filename="a/")), "file", "'a/' is no name that a file can have"),
    "not UTF-8": (form(PURPOSE, file_part()).replace(b"a.txt", b"\xff"), None, "the file's name is not UTF-8"),
    "a field not UTF-8": (form(part('name="purpose"', b"\xff")), None, "purpose is not UTF-8"),
    "large fields": (form(field("purpose", "x" * 70_000)), "purpose", "purpose has more than 65536 bytes"),
    "many parts": (form(*(part("", b"x") for _ in range(33))), "", "there is no such field"),
    "broken off": (form(PURPOSE, file_part())[:-6], None, "the form breaks off before its last boundary"),
    "nothing": (b"", None, "the form breaks off before its last boundary"),
    "nonsense": (b"nonsense", None, "the form cannot be read: "),
    "no anchor": (
        form(PURPOSE, file_part(), field("expires_after[seconds]", "3600")),
        "expires_after[anchor]",
        "expires_after[anchor] must be 'created_at'",
    ),
}
for _seconds in ("3599", "2592001", "x", "-3600", "1e4", "٣٦٠٠", ""):
    REFUSED[f"{_seconds} seconds"] = (
        form(
            PURPOSE,
            file_part(),
            field("expires_after[anchor]", "created_at"),
            field("expires_after[seconds]", _seconds),
        ),
        "expires_after[seconds]",
        "expires_after[seconds] must be a number from 3600 to 2592000",
    )


@pytest.mark.parametrize("why", REFUSED)
def test_a_form_that_is_not_right_is_told_what_is_wrong(post: Callable[..., httpx2.Response], why: str) -> None:
    body, param, words = REFUSED[why]
    answer = post(body)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=x"]
)
def test_what_is_no_form_is_refused(post: Callable[..., httpx2.Response], kind: str) -> None:
    answer = post(form(PURPOSE, file_part()), {"content-type": kind})
    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith("the body must be a form of the type multipart/form-data")


def test_a_refused_file_leaves_nothing(frugal: OpenAI, folder: Path) -> None:
    with pytest.raises(BadRequestError):
        frugal.files.create(file=bytes(MIB), purpose=cast("FilePurpose", "fun"))
    assert (frugal.files.list().data, blobs(folder)) == ([], [])


def test_a_file_over_the_cap_is_413_and_leaves_nothing(frugal: OpenAI, small: str, folder: Path) -> None:
    for size in (2 * MIB + 1, 4 * MIB):
        with pytest.raises(APIStatusError) as refused:
            frugal.files.create(file=bytes(size), purpose="user_data")
        assert (refused.value.status_code, error_of(refused.value)["code"]) == (413, "too_large")

    def chunked() -> Iterator[bytes]:
        yield form(PURPOSE, file_part())[:-30]
        for _ in range(40):
            yield bytes(100_000)

    headers = {"authorization": "Bearer one", **HEADERS}
    answer = httpx2.post(f"{small}/v1/files", content=chunked(), headers=headers, timeout=50)
    assert answer.status_code == 413
    assert error_of(answer)["message"].startswith("the file has more than 2097152 bytes")
    assert (frugal.files.list().data, blobs(folder)) == ([], [])
    assert frugal.files.create(file=bytes(2 * MIB), purpose="user_data").bytes == 2 * MIB


def test_what_one_key_stores_has_a_bound(frugal: OpenAI, small: str, connect: Callable[..., OpenAI]) -> None:
    first = frugal.files.create(file=bytes(2 * MIB), purpose="user_data")
    with pytest.raises(RateLimitError) as refused:
        frugal.files.create(file=bytes(2 * MIB), purpose="user_data")
    error = error_of(refused.value)
    assert error["code"] == "quota_exceeded"
    assert "3145728 are allowed" in error["message"]
    other = connect(small, "two")
    other.files.delete(other.files.create(file=bytes(2 * MIB), purpose="user_data").id)
    frugal.files.delete(first.id)
    assert frugal.files.create(file=bytes(2 * MIB), purpose="user_data").bytes == 2 * MIB


def test_a_file_goes_to_the_disk_while_it_comes_and_one_broken_off_leaves_nothing(
    settings: Callable[..., Settings], tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    seen: list[int] = []

    def broken() -> Iterator[bytes]:
        yield form(PURPOSE, file_part())[:-30]
        for _ in range(64):
            yield bytes(MIB)
        eventually(lambda: sum(path.stat().st_size for path in blobs(tmp_path)) > 60 * MIB)
        seen.append(len(blobs(tmp_path)))
        raise ConnectionAbortedError

    with serving(settings(data_dir=tmp_path)) as address:
        with pytest.raises(ConnectionAbortedError):
            headers = {"authorization": "Bearer one", **HEADERS}
            httpx2.post(f"{address}/v1/files", content=broken(), headers=headers, timeout=50)
        assert seen == [1]
        eventually(lambda: not blobs(tmp_path))


@pytest.fixture(scope="module")
def five(client: OpenAI) -> Iterator[list[str]]:
    """The ids of five files of one purpose, the oldest first."""
    for file in client.files.list(purpose="evals"):
        client.files.delete(file.id)
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="evals").id for n in range(5)]
    yield made
    for file_id in made:
        client.files.delete(file_id)


def test_files_are_listed_the_latest_first(client: OpenAI, five: list[str]) -> None:
    page = client.files.list(purpose="evals")
    assert [file.id for file in page.data] == five[::-1]
    assert page.model_dump(include={"object", "first_id", "last_id", "has_more"}) == {
        "object": "list",
        "first_id": five[-1],
        "last_id": five[0],
        "has_more": False,
    }


def test_a_list_is_walked_through_in_parts(client: OpenAI, five: list[str]) -> None:
    first = client.files.list(purpose="evals", limit=2, order="asc")
    assert ([file.id for file in first.data], first.has_more) == (five[:2], True)
    assert [file.id for file in first] == five
    rest = client.files.list(purpose="evals", limit=2, after=five[2])
    assert ([file.id for file in rest.data], rest.has_more) == ([five[1], five[0]], False)


def test_an_empty_list_is_a_list(client: OpenAI) -> None:
    page = client.files.list(purpose="nothing")
    assert (page.data, page.has_more, page.to_dict()["first_id"]) == ([], False, None)


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=10001", "limit"), ("order=up", "order"), ("ids=1", "ids")]
)
def test_a_list_that_cannot_be_is_refused(client: OpenAI, query: str, param: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.files.list(extra_query=dict([query.split("=")]))
    assert error_of(refused.value)["param"] == param


def test_a_list_after_nothing_is_404(client: OpenAI) -> None:
    with pytest.raises(NotFoundError):
        client.files.list(after="file-none")


def test_a_part_of_a_file_can_be_had_and_no_browser_runs_it(client: OpenAI) -> None:
    file = client.files.create(file=("page.html", b"<script>1</script>"), purpose="user_data")
    answer = client.files.content(file.id, extra_headers={"range": "bytes=1-6"}).response
    assert (answer.status_code, answer.content) == (206, b"script")
    assert answer.headers["content-range"] == "bytes 1-6/18"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename=\"page.html\"; filename*=UTF-8''page.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    with pytest.raises(APIStatusError) as refused:
        client.files.content(file.id, extra_headers={"range": "bytes=18-"})
    assert (refused.value.status_code, error_of(refused.value)["code"]) == (416, "range_not_satisfiable")


def test_files_outlive_their_server(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], tmp_path: Path
) -> None:
    with serving(settings(data_dir=tmp_path)) as address:
        made = connect(address).files.create(file=("a.txt", b"kept"), purpose="user_data")
    with serving(settings(data_dir=tmp_path)) as address:
        again = connect(address)
        assert again.files.retrieve(made.id) == made
        assert again.files.content(made.id).read() == b"kept"
