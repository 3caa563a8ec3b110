"""Floods: of turns, parts, files, streams that nobody reads, and requests that ask for themselves"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from openai import APIStatusError, AsyncOpenAI

from insitu.types import MIB
from tests.attacks.api import TURNS, ApiStand, error_of
from tests.attacks.attack import Layer, attack
from tests.attacks.memory import flat_memory
from tests.attacks.stand import ATTACKER, SETTINGS
from tests.support.model import broken, hang, say
from tests.support.responses import PYTHON, run
from tests.support.serving import serving
from tests.support.steps import Json


@pytest.fixture(scope="module")
def stand(api: ApiStand) -> Iterator[ApiStand]:
    """The model forgets what was not asked for."""
    yield api
    api.model.forget()


@attack("take all turns of the server by responses in the background", Layer.API)
async def test_turns_are_shared(stand: ApiStand) -> None:
    turn = {"model": "m", "input": "x"}
    async with stand.unharmed(), stand.both() as (attacker, neighbour):
        stand.model.script(*[hang()] * TURNS)
        begun = [(await attacker.post("/v1/responses", json={**turn, "background": True})).json() for _ in range(TURNS)]
        await stand.model.wait_received(TURNS - 1)
        for body in ({**turn, "background": True}, turn, {**turn, "stream": True}):
            assert error_of(await attacker.post("/v1/responses", json=body))["code"] == "quota_exceeded"
        chat = {"model": "m", "messages": [{"role": "user", "content": "x"}], "code_interpreter": True}
        assert (await attacker.post("/v1/chat/completions", json=chat)).status_code == 429
        stand.model.script(say("here"))
        assert (await neighbour.post("/v1/responses", json=turn)).json()["status"] == "completed"
        for response in begun:
            assert (await attacker.delete(f"/v1/responses/{response['id']}")).is_success
        stand.model.script(say("here"))
        assert (await attacker.post("/v1/responses", json=turn)).status_code == 200
    stand.model.forget()


MANY = 100_000
FLOODS: dict[str, tuple[str, Any]] = {
    "files of an execution": ("execute", {"code": "1", "files": [{"path": "a", "text": ""}] * MANY}),
    "patterns": ("execute", {"code": "1", "return_files": ["*"] * MANY}),
    "variables": ("execute", {"code": "1", "env_vars": {str(n): "" for n in range(MANY)}}),
    "metadata": ("sessions", {"metadata": {str(n): "" for n in range(MANY)}}),
    "metadata as long as a book": ("sessions", {"metadata": {"a": "x" * 900_000}}),
    "metadata of a response": ("responses", {"model": "m", "metadata": {str(n): "" for n in range(MANY)}}),
    "metadata of a conversation": ("conversations", {"metadata": {str(n): "" for n in range(20_000)}}),
    "files of a container": ("containers", {"name": "x", "file_ids": ["file-1"] * 50_000}),
    "a container's name": ("containers", {"name": "x" * 500_000}),
    "items": ("responses", {"model": "m", "input": [{"role": "user", "content": "x"}] * MANY}),
    "items of a conversation": ("conversations", {"items": [{"role": "user", "content": "x"}] * MANY}),
    "references": ("responses", {"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}] * MANY}),
    "parts": (
        "responses",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": ""}] * MANY}]},
    ),
    "tiny files": (
        "responses",
        {
            "model": "m",
            "input": [{"role": "user", "content": [{"type": "input_file", "file_data": "", "filename": "a"}] * MANY}],
            "tools": [PYTHON],
        },
    ),
    "tiny files of a chat": (
        "chat/completions",
        {
            "model": "m",
            "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": ""}}] * MANY}],
            "code_interpreter": True,
        },
    ),
    "messages": (
        "chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": "x"}] * MANY, "code_interpreter": True},
    ),
    "calls": (
        "chat/completions",
        {
            "model": "m",
            "messages": [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": ""}}
                        for n in range(MANY)
                    ],
                }
            ],
            "code_interpreter": True,
        },
    ),
    "tools": ("responses", {"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}] * MANY}),
    "instructions": ("responses", {"model": "m", "input": "x", "instructions": "x" * (4 * MIB)}),
    "lists in lists": ("responses", {"model": "m", "input": [[]] * 3_000_000}),
}


@attack("send a hundred thousand of everything that there can be several of", Layer.API)
async def test_everything_has_a_bound(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.http() as http:
        heard = len(stand.model.requests)
        for name, (path, body) in FLOODS.items():
            answer = await http.post(f"/v1/{path}", content=json.dumps(body, separators=(",", ":")).encode())
            assert answer.status_code in (400, 404, 413, 422), (name, answer.status_code, answer.text[:300])
            assert error_of(answer)["message"], name
        assert len(stand.model.requests) == heard


@attack("keep the server's memory by streams that are never read", Layer.API)
async def test_streams_that_nobody_reads_are_bounded(stand: ApiStand) -> None:
    code = "import sys\nfor _ in range(200): sys.stdout.write('x' * 100_000); sys.stdout.flush()"
    body = json.dumps({"code": code, "stream": True}).encode()
    head = f"POST /v1/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ATTACKER}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    address = httpx2.URL(stand.url)
    async with stand.unharmed(), stand.both() as (_, neighbour), AsyncExitStack() as stack:
        with flat_memory():
            for _ in range(20):
                stream = await stack.enter_async_context(await anyio.connect_tcp(address.host, address.port or 0))
                await stream.send(request)
            while "insitu_executions 0" not in (await neighbour.get("/metrics")).text:  # noqa: ASYNC110 - asked for
                await anyio.sleep(0.02)


@attack("have one request ask for itself, on a server that is its own model server", Layer.API)
async def test_a_server_does_not_ask_itself(stand: ApiStand, tmp_path: Path) -> None:
    async with stand.unharmed():
        port = _free_port()
        own = {"port": port, "upstream": f"http://127.0.0.1:{port}/v1", "api_keys": (), "data_dir": tmp_path}
        with serving(SETTINGS.model_copy(update={**own, "max_turns": 4})) as url:
            async with httpx2.AsyncClient(base_url=url, timeout=20) as http:
                for method, path, body in (
                    ("GET", "models", None),
                    ("POST", "embeddings", {"model": "m", "input": "x"}),
                    ("POST", "chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                ):
                    answer = await http.request(method, f"/v1/{path}", json=body)
                    assert (answer.status_code, answer.headers["x-should-retry"]) == (508, "false")
                    assert answer.json()["error"]["code"] == "upstream_loops"
                answer = await http.post("/v1/responses", json={"model": "m", "input": "x"})
                assert answer.status_code in (429, 502, 503)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@attack("have code run twice by a model server that breaks off, so that the client asks again", Layer.API)
async def test_code_that_has_run_is_not_run_again(stand: ApiStand) -> None:
    count = "print('ran', open('ran', 'a').write('x'), len(open('ran').read()))"
    async with (
        stand.unharmed(),
        stand.http() as http,
        AsyncOpenAI(base_url=f"{stand.url}/v1", api_key=ATTACKER, max_retries=3) as client,
    ):
        container = (await http.post("/v1/containers", json={"name": "x"})).json()["id"]
        tool: Json = {"type": "code_interpreter", "container": container}
        messages: Any = [{"role": "user", "content": "x"}]
        for _ in range(2):
            stand.model.script(run(count), *[broken(say("x"), 1)] * 3)
            with pytest.raises(APIStatusError) as failed:
                await client.chat.completions.create(
                    model="m", messages=messages, extra_body={"code_interpreter": tool}
                )
            assert failed.value.response.headers["x-should-retry"] == "false"
            stand.model.forget()
        stand.model.script(run(count), say("x"))
        answer = await http.post("/v1/responses", json={"model": "m", "input": "x", "tools": [tool]})
        assert answer.json()["status"] == "completed"
        sent = [m["content"] for m in stand.model.requests[-1].body["messages"] if m["role"] == "tool"]
        assert [told.partition("\n")[0] for told in sent] == ["ran 1 3"]
        await http.delete(f"/v1/containers/{container}")
    stand.model.forget()


@attack("run code of one session side by side, or in another order than it came", Layer.API)
async def test_executions_of_a_session_take_turns(stand: ApiStand) -> None:
    code = "import time\nn = globals().get('n', 0); before = n; time.sleep(0.01); n = before + 1; print(n)"
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        told: list[str] = []

        async def execute() -> None:
            told.append((await session.run(code)).stdout)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(execute)
        assert sorted(told, key=int) == [f"{n}\n" for n in range(1, 21)]


@attack("store without end: conversations, responses and files, until the disk is full", Layer.API)
async def test_what_is_stored_has_a_bound_for_each_key(stand: ApiStand, tmp_path: Path) -> None:
    async with stand.unharmed():
        bound = 3 * MIB
        with serving(SETTINGS.model_copy(update={"data_dir": tmp_path, "data_bytes_per_owner": bound})) as url:
            here = ApiStand(url, stand.model)
            async with here.both() as (attacker, neighbour):
                text = "x" * (MIB // 2)
                kinds: dict[str, Any] = {
                    "conversations": {"json": {"items": [{"role": "user", "content": text}]}},
                    "files": {"data": {"purpose": "user_data"}, "files": {"file": ("a", text.encode())}},
                }
                for kind, body in kinds.items():
                    codes = [(await attacker.post(f"/v1/{kind}", **body)).status_code for _ in range(10)]
                    assert set(codes) <= {200, 413, 429} and codes[-1] != 200, codes
                assert (await neighbour.post("/v1/files", **kinds["files"])).status_code == 200
                size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
                assert size < 3 * bound


@attack("keep a turn and its room by leaving while it is made", Layer.API)
async def test_who_leaves_keeps_no_room(stand: ApiStand) -> None:
    turns: tuple[tuple[str, Json], ...] = (
        ("responses", {"model": "m", "input": "x"}),
        ("responses", {"model": "m", "input": "x", "stream": True}),
        ("chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}], "code_interpreter": True}),
    )
    async with stand.unharmed(), stand.http() as http:
        for path, body in turns:
            for _ in range(TURNS + 1):
                heard = len(stand.model.requests)
                stand.model.script(hang())
                with anyio.move_on_after(20):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(_post, http, path, body)
                        await stand.model.wait_received(heard)
                        tasks.cancel_scope.cancel()
                await stand.model.wait_closed(heard)
    stand.model.forget()


async def _post(http: httpx2.AsyncClient, path: str, body: Json) -> None:
    await http.post(f"/v1/{path}", json=body)
