"""Files of Google's client: uploaded in pieces, and read by the model and by code."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, Callable
from pathlib import Path

import httpx2
import pytest
from google import genai
from google.genai import _api_client, errors, types

from insitu.dialects.gemini import uploading
from tests.dialects.conftest import HEADERS, KEYS
from tests.support.gemini import ask
from tests.support.interactions import interact
from tests.support.model import ScriptedModel, say
from tests.support.responses import run
from tests.support.waiting import wait_until

from .conftest import Connect

pytestmark = pytest.mark.client("google-genai")

Serve = Callable[..., str]

PIECE = 256 * 1024
START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}


def upload(client: genai.Client, content: bytes = b"1\n2\n", name: str = "t.csv") -> types.File:
    return client.files.upload(
        file=io.BytesIO(content), config=types.UploadFileConfig(mime_type="text/csv", display_name=name)
    )


def begin(http: httpx2.Client, **headers: str) -> str:
    answer = http.post("/upload/v1beta/files", headers=START | headers, json={"file": {"displayName": "a.txt"}})
    assert (answer.status_code, answer.headers["x-goog-upload-status"]) == (200, "active")
    return answer.headers["x-goog-upload-url"]


def send(http: httpx2.Client, url: str, command: str, content: bytes = b"", offset: int = 0) -> httpx2.Response:
    headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
    return http.post(url, headers=headers, content=content)


@pytest.mark.shows("upload")
def test_a_file_is_uploaded_found_and_deleted(gemini: genai.Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    made = gemini.files.upload(file=tmp_path / "a.txt")
    assert made.name and made.name.startswith("files/file") and made.state is types.FileState.ACTIVE
    assert (made.display_name, made.mime_type, made.size_bytes) == ("a.txt", "text/plain", 5)
    assert made.expiration_time and made.create_time and made.expiration_time > made.create_time
    assert gemini.files.get(name=made.name) == made
    assert gemini.files.download(file=made) == b"hello"
    gemini.files.delete(name=made.name)
    with pytest.raises(errors.ClientError) as caught:
        gemini.files.get(name=made.name)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_it_comes_in_several_pieces(gemini: genai.Client, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    offsets: list[int] = []
    take = uploading.Upload.take

    async def taken(under_way: uploading.Upload, chunks: AsyncIterable[bytes], offset: int) -> None:
        offsets.append(offset)
        await take(under_way, chunks, offset)

    monkeypatch.setattr(_api_client, "CHUNK_SIZE", PIECE)
    monkeypatch.setattr(uploading.Upload, "take", taken)
    content = bytes(number % 251 for number in range(size))
    assert gemini.files.download(file=upload(gemini, content)) == content
    assert [offset for offset in offsets if offset < size] == list(range(0, size, PIECE))


async def test_the_asynchronous_client_uploads_as_well(url: str, connect_genai: Connect) -> None:
    gemini = connect_genai(url)
    config = types.UploadFileConfig(mime_type="text/csv", display_name="t.csv")
    made = await gemini.aio.files.upload(file=io.BytesIO(b"1\n"), config=config)
    assert (made.size_bytes, await gemini.aio.files.download(file=made)) == (2, b"1\n")
    await gemini.aio.aclose()


def test_the_listing_comes_page_by_page(url: str, connect_genai: Connect) -> None:
    gemini = connect_genai(url, KEYS[1])
    made = [upload(gemini, name=f"{number}.csv").name for number in range(5)]
    pager = gemini.files.list(config=types.ListFilesConfig(page_size=2))
    assert [file.name for file in pager.page] == made[:-3:-1]
    # The newest come first; others of the shared server's tests may have left theirs.
    assert [file.name for file in pager][:5] == made[::-1]
    for name in made:
        gemini.files.delete(name=str(name))


def test_another_owners_are_not_there(gemini: genai.Client, url: str, connect_genai: Connect) -> None:
    made = upload(gemini)
    stranger = connect_genai(url, KEYS[1])
    for do in (stranger.files.get, stranger.files.delete):
        with pytest.raises(errors.ClientError, match="404"):
            do(name=str(made.name))
    with pytest.raises(errors.ClientError, match="404"):
        ask(stranger, [types.Part.from_uri(file_uri=str(made.uri), mime_type="text/csv"), "Sum?"])
    assert [file for file in stranger.files.list() if file.name == made.name] == []


def test_an_address_of_googles_is_told_from_one_that_is_gone(gemini: genai.Client) -> None:
    google = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    with pytest.raises(errors.ClientError) as caught:
        ask(gemini, [types.Part.from_uri(file_uri=google, mime_type="text/csv"), "Sum?"])
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert str(caught.value.message).endswith(f"{google} is an address of Google's: upload the file here")


def test_code_and_the_model_read_it(gemini: genai.Client, model: ScriptedModel) -> None:
    made = upload(gemini)
    model.script(run("print(open('t.csv').read())"), say("Three."))
    assert ask(gemini, [made, "Sum?"]).code_execution_result == "1\n2"
    said = model.requests[-2].body["messages"][0]["content"]
    assert said == "[the user's file t.csv is /mnt/data/t.csv]\nSum?"
    model.script(run("print(open('t.csv').read())"), say("Three."))
    document = {"type": "document", "uri": made.uri, "mime_type": made.mime_type}
    assert interact(gemini, input=[document, {"type": "text", "text": "Sum?"}]).steps[0].type == "code_execution_call"


def test_an_upload_that_broke_off_goes_on(http: httpx2.Client) -> None:
    url = begin(http)
    assert send(http, url, "upload", b"one").headers["x-goog-upload-status"] == "active"
    assert send(http, url, "query").headers["x-goog-upload-size-received"] == "3"
    wrong = send(http, url, "upload, finalize", b"tw", 2)
    assert (wrong.status_code, wrong.headers["x-goog-upload-status"]) == (400, "active")
    assert "3 bytes have come" in wrong.json()["error"]["message"]
    last = send(http, url, "upload, finalize", b"tw", 3)
    assert (last.headers["x-goog-upload-status"], last.json()["file"]["sizeBytes"]) == ("final", "5")
    assert send(http, url, "query").status_code == 404


def test_what_was_said_is_what_comes(http: httpx2.Client) -> None:
    url = begin(http, **{"x-goog-upload-header-content-length": "4"})
    assert send(http, url, "upload", b"12345").status_code == 400
    assert send(http, url, "upload, finalize", b"123").status_code == 400
    assert send(http, url, "upload, finalize", b"4", 3).json()["file"]["sizeBytes"] == "4"


def test_an_upload_is_found_by_its_address_alone_and_nothing_else_is(http: httpx2.Client, url: str) -> None:
    there = begin(http)
    with httpx2.Client() as stranger:
        assert send(stranger, there, "upload", b"abc").status_code == 200
        assert stranger.post(f"{url}/upload/v1beta/files", headers=START).status_code == 401
        assert stranger.post(f"{url}/upload/v1beta/files?x_upload_id=1", headers=START).status_code == 401
        assert stranger.post(f"{url}/upload/v1beta/files?upload_id=1", headers=START).status_code == 404
        assert stranger.get(f"{url}/v1beta/files?upload_id=1").status_code == 401
        name = send(stranger, there, "finalize").json()["file"]["name"]
    assert http.get(f"/v1beta/{name}").json()["sizeBytes"] == "3"


def test_an_upload_ends_when_it_is_cancelled(http: httpx2.Client) -> None:
    there = begin(http)
    assert send(http, there, "cancel").headers["x-goog-upload-status"] == "cancelled"
    wait_until(lambda: send(http, there, "query").status_code == 404)


def test_uploads_that_nobody_goes_on_with_end(http: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "IDLE_S", 0.05)
    there = begin(http)
    wait_until(lambda: send(http, there, "query").status_code == 404)


def test_one_owner_has_few_under_way(http: httpx2.Client) -> None:
    under_way = [begin(http) for _ in range(8)]
    answer = http.post("/upload/v1beta/files", headers=START, json={})
    assert (answer.status_code, answer.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    send(http, begin(http, authorization=f"Bearer {KEYS[1]}"), "cancel")
    for there in under_way:
        send(http, there, "cancel")
    wait_until(lambda: all(send(http, there, "query").status_code == 404 for there in under_way))


def test_what_is_too_large_is_refused(serve: Serve, connect_genai: Connect) -> None:
    url = serve(upload_bytes=1 << 20, data_bytes_per_owner=1 << 19)
    with pytest.raises(errors.ClientError, match="1048576 is the most"):
        upload(connect_genai(url), b"x" * ((1 << 20) + 1))
    with pytest.raises(errors.ClientError) as caught:
        upload(connect_genai(url), b"x" * (1 << 20))
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with httpx2.Client(base_url=url, headers=HEADERS) as http:
        there = begin(http)
        late = send(http, there, "upload", b"x" * ((1 << 20) + 1))
        assert (late.status_code, late.headers["x-goog-upload-status"]) in ((400, "cancelled"), (429, "cancelled"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-goog-upload-command": "upload"}, {}),
        ({"x-goog-upload-header-content-length": "-1"}, {}),
        ({}, {"file": 1}),
        ({}, {"file": {"name": "files/mine"}}),
        ({}, {"file": {"displayName": ".."}}),
        ({}, {"file": {"mimeType": "a b\n"}}),
        ({}, []),
    ],
)
def test_what_cannot_begin_is_refused(http: httpx2.Client, headers: dict[str, str], body: object) -> None:
    answer = http.post("/upload/v1beta/files", headers=START | headers, json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
