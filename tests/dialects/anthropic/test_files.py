"""Files by Anthropic's own client, on the paths that OpenAI's has too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic, NotFoundError
from openai import OpenAI

from tests.support import forms
from tests.support.anthropic_errors import error_of, refused

pytestmark = pytest.mark.client("anthropic")

DAYS_30 = timedelta(days=30)
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.mark.shows("upload")
def test_an_uploaded_file_is_found_again_as_it_was(anthropic_client: Anthropic) -> None:
    before = int(time.time())
    made = anthropic_client.files.upload(file=("ä b.csv", b"1,2", "text/csv"))
    assert before <= made.created_at.timestamp() <= time.time()
    assert made.id.startswith("file_")
    assert made.model_dump() == {
        "id": made.id,
        "type": "file",
        "filename": "ä b.csv",
        "mime_type": "text/csv",
        "size_bytes": 3,
        "created_at": made.created_at.astimezone(UTC),
        "downloadable": True,
        "expires_at": made.created_at + DAYS_30,
    }
    assert anthropic_client.files.retrieve_metadata(made.id) == made
    assert anthropic_client.files.download(made.id).read() == b"1,2"
    assert made in anthropic_client.files.list().data


async def test_the_asynchronous_client_and_the_beta_twin_do_the_same(async_anthropic: AsyncAnthropic) -> None:
    made = await async_anthropic.beta.files.upload(file=("a.bin", b"\0\xff" * 100_000))
    assert (made.filename, made.size_bytes, made.mime_type) == ("a.bin", 200_000, "application/octet-stream")
    assert await (await async_anthropic.beta.files.download(made.id)).read() == b"\0\xff" * 100_000
    assert made.id in [file.id async for file in async_anthropic.files.list(limit=1)]
    assert (await async_anthropic.files.delete(made.id)).model_dump() == {"id": made.id, "type": "file_deleted"}


def test_a_deleted_file_is_gone(anthropic_client: Anthropic) -> None:
    files = anthropic_client.files
    made = files.upload(file=("a.txt", b"x"))
    files.delete(made.id)
    for call in (files.retrieve_metadata, files.download, files.delete):
        exc = refused(partial(call, made.id), 404)
        assert (type(exc), exc.type, exc.error_code) == (NotFoundError, "not_found_error", "not_found")
        assert (
            exc.api_message == f"there is no file {made.id!r} (it is not of this key, was deleted, or its time is over)"
        )


@pytest.mark.parametrize("seconds", [3600, 7200])
def test_a_file_expires_when_its_owner_says(anthropic_client: Anthropic, seconds: int) -> None:
    made = anthropic_client.files.upload(file=("a.txt", b"x"), expires_in_seconds=seconds)
    assert made.expires_at is not None
    assert made.expires_at - made.created_at in (timedelta(seconds=seconds), timedelta(seconds=seconds - 1))


def test_no_file_is_promised_a_longer_life_than_the_server_gives(anthropic_client: Anthropic) -> None:
    made = anthropic_client.files.upload(file=("a.txt", b"x"), expires_in_seconds=90 * 24 * 3600)
    assert made.expires_at == made.created_at + DAYS_30


@pytest.mark.parametrize("seconds", [3599, 7_776_001])
def test_a_time_out_of_bounds_is_refused(anthropic_client: Anthropic, seconds: int) -> None:
    exc = refused(lambda: anthropic_client.files.upload(file=("a.txt", b"x"), expires_in_seconds=seconds))
    assert exc.type == "invalid_request_error"
    assert exc.api_message == "expires_in_seconds must be a number from 3600 to 7776000"


def test_a_form_that_is_not_right_is_told_what_is_wrong(http: httpx2.Client) -> None:
    for body, words in (
        (forms.form(forms.field("purpose", "user_data"), forms.file_part()), "purpose: there is no such field"),
        (forms.form(), "the form has no part named file"),
    ):
        answer = http.post("/v1/files", content=body, headers={**forms.HEADERS, **VERSION})
        assert answer.status_code == 400
        assert error_of(answer)["message"].startswith(words)


def test_fields_may_stand_behind_the_file(http: httpx2.Client) -> None:
    body = forms.form(forms.file_part(), forms.field("expires_in_seconds", "3600"))
    answer = http.post("/v1/files", content=body, headers={**forms.HEADERS, **VERSION}).json()
    lasts = datetime.fromisoformat(answer["expires_at"]) - datetime.fromisoformat(answer["created_at"])
    assert lasts in (timedelta(seconds=3600), timedelta(seconds=3599))


def test_each_api_finds_the_files_of_the_other(anthropic_client: Anthropic, client: OpenAI) -> None:
    theirs = client.files.create(file=("theirs.txt", b"theirs"), purpose="vision")
    ours = anthropic_client.files.upload(file=("ours.txt", b"ours"))
    found = client.files.retrieve(ours.id)
    assert (found.filename, found.bytes, found.purpose) == ("ours.txt", 4, "user_data")
    assert client.files.content(ours.id).read() == b"ours"
    assert anthropic_client.files.retrieve_metadata(theirs.id).filename == "theirs.txt"
    assert anthropic_client.files.download(theirs.id).read() == b"theirs"
    assert [file.id for file in anthropic_client.files.list(limit=2).data] == [ours.id, theirs.id]
    anthropic_client.files.delete(theirs.id)
    client.files.delete(ours.id)


def test_the_header_says_whose_form_the_answer_has(http: httpx2.Client) -> None:
    openais = http.get("/v1/files/none")
    assert (openais.status_code, "request-id" in openais.headers) == (404, False)
    assert forms.error_of(openais)["type"] == "not_found_error"
    assert error_of(http.get("/v1/files/none", headers=VERSION))["type"] == "not_found_error"


def test_someone_elses_file_is_not_there(anthropic_client: Anthropic, anthropic_stranger: Anthropic) -> None:
    made = anthropic_client.files.upload(file=("a.txt", b"mine"))
    files = anthropic_stranger.files
    for call in (files.retrieve_metadata, files.download, files.delete):
        refused(partial(call, made.id), 404)
    assert made.id not in [file.id for file in files.list()]
    assert files.list(ids=[made.id]).data == []
    refused(lambda: files.list(page=f"page_{made.id}"), 404)
    assert anthropic_client.files.download(made.id).read() == b"mine"


@pytest.fixture
def three(anthropic_client: Anthropic) -> Iterator[list[str]]:
    """The ids of three files, which are all that there are, the oldest first."""
    for file in anthropic_client.files.list(limit=1000):
        anthropic_client.files.delete(file.id)
    made = [anthropic_client.files.upload(file=(f"{n}.txt", b"x")).id for n in range(3)]
    yield made
    for file_id in made:
        anthropic_client.files.delete(file_id)


def test_a_list_is_walked_through_in_parts(anthropic_client: Anthropic, three: list[str]) -> None:
    first = anthropic_client.files.list(limit=2)
    assert [file.id for file in first.data] == three[:0:-1]
    assert first.next_page == f"page_{three[1]}"
    assert [file.id for file in first] == three[::-1]
    whole = anthropic_client.files.list()
    assert ([file.id for file in whole.data], whole.next_page) == (three[::-1], None)


def test_files_are_listed_by_their_ids(anthropic_client: Anthropic, three: list[str]) -> None:
    found = anthropic_client.files.list(ids=[three[0], "file_none", three[2], three[0]])
    assert ([file.id for file in found.data], found.next_page) == ([three[2], three[0]], None)
    exc = refused(lambda: anthropic_client.files.list(ids=[three[0]], limit=1))
    assert exc.api_message == "ids cannot go with a page or a limit: all of them are answered at once"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "page=1", "&".join(["ids[]=a"] * 101)])
def test_a_list_that_cannot_be_is_refused(http: httpx2.Client, query: str) -> None:
    answer = http.get(f"/v1/files?{query}", headers=VERSION)
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


def test_a_file_of_a_container_is_found_by_its_id_alone(
    anthropic_client: Anthropic, anthropic_stranger: Anthropic, client: OpenAI
) -> None:
    container = client.containers.create(name="c")
    made = client.containers.files.create(container.id, file=("chart.png", b"\x89PNG"))
    found = anthropic_client.files.retrieve_metadata(made.id)
    assert (found.id, found.filename, found.mime_type, found.size_bytes) == (made.id, "chart.png", "image/png", 4)
    assert found.expires_at is not None
    assert found.expires_at - found.created_at >= DAYS_30
    assert anthropic_client.files.download(made.id).read() == b"\x89PNG"
    assert made.id not in [file.id for file in anthropic_client.files.list()]
    refused(lambda: anthropic_stranger.files.download(made.id), 404)
    assert anthropic_client.files.delete(made.id).id == made.id
    refused(lambda: anthropic_client.files.retrieve_metadata(made.id), 404)
    client.containers.delete(container.id)


def test_a_file_that_is_too_large_is_413(
    serve: Callable[..., str], connect_anthropic: Callable[..., Anthropic]
) -> None:
    small = connect_anthropic(serve(upload_bytes=1000))
    exc = refused(lambda: small.files.upload(file=("a.txt", bytes(1001))), 413)
    assert (exc.type, exc.error_code) == ("request_too_large", "too_large")
