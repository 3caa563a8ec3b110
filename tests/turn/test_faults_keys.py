"""Keys stay where they belong: the caller's with this server, the model server's with it and nobody else."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr, ValidationError

from insitu.settings import Settings
from tests.support.model import Json, ScriptedModel, broken, fail, say
from tests.support.processes import descendants
from tests.support.responses import ASKED, logs, run
from tests.support.steps import error
from tests.support.turns import Place, process
from tests.turn.conftest import Served


async def ask_in_every_way(place: Place, model: ScriptedModel) -> None:
    """Turns, and what goes through as it is; with what is asked for again."""
    model.script(run("1"), broken(say("Never."), 1), say("One."), say("Two."), run("1"), say("Three."))
    assert (await place.ask()).output_text == "One."
    for more in ({}, {"code_interpreter": True}):
        body: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}], **more}
        await place.client.post("/chat/completions", body=body, cast_to=object)
    await place.client.get("/models", cast_to=object)
    await place.client.post("/embeddings", body={"model": "m", "input": "x"}, cast_to=object)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, "Bearer none"),
        ({"upstream_api_key": SecretStr("ours")}, "Bearer ours"),
        ({"upstream_api_key": SecretStr("ours"), "upstream_forward_key": True}, "Bearer theirs"),
    ],
)
async def test_the_callers_key_goes_upstream_only_if_the_operator_says_so(
    serve: Served, model: ScriptedModel, settings: dict[str, Any], sent: str
) -> None:
    async with serve(**settings) as place:
        await ask_in_every_way(place, model)
    assert {request.headers.get("authorization", "Bearer none") for request in model.requests} == {sent}
    assert len(model.requests) == 8
    assert [request for request in model.requests if b"theirs" in request.raw] == []


async def test_what_is_said_of_a_refused_key_does_not_hold_it(serve: Served, model: ScriptedModel) -> None:
    model.script(fail(401))
    async with serve(upstream_api_key=SecretStr("ours-is-secret")) as place:
        with pytest.raises(openai.InternalServerError) as raised:
            await place.ask()
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_failed")
    assert "upstream_api_key" in raised.value.message.lower()
    assert "ours-is-secret" not in str(raised.value.response.headers) + raised.value.response.text


async def test_a_key_that_a_server_repeats_is_not_told(serve: Served, model: ScriptedModel) -> None:
    model.script(fail(400, error("Received the key ours-is-secret, which is none.", "invalid_request_error")))
    async with serve(upstream_api_key=SecretStr("ours-is-secret")) as place:
        with pytest.raises(openai.BadRequestError, match=r"Received the key \[the key\], which is none"):
            await place.ask()


def test_a_key_is_taken_without_the_line_break_behind_it() -> None:
    assert Settings(upstream_api_key=SecretStr(" ours\n")).upstream_api_key.get_secret_value() == "ours"


@pytest.mark.parametrize("key", ["ours\nis secret", "ours-is-secret\u20ac", "\0"])
def test_a_key_that_no_header_can_have_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(ValidationError, match="upstream_api_key has characters that no header can have") as refused:
        Settings.model_validate({"upstream_api_key": key})
    assert "secret" not in str(refused.value)


async def test_a_callers_key_that_no_header_can_have_is_not_passed_on(serve: Served, model: ScriptedModel) -> None:
    async with serve(upstream_forward_key=True) as place, httpx2.AsyncClient() as http:
        for path in ("responses", "embeddings"):
            headers = {b"authorization": "Bearer kéy".encode("latin-1")}
            answer = await http.post(f"{place.url}/v1/{path}", headers=headers, json={"model": "m", "input": "x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert model.requests == []


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"authorization": "Bearer", "x-api-key": "theirs"}, "Bearer theirs"),
        ({"authorization": "Bearer one", "x-goog-api-key": "another"}, None),
    ],
)
async def test_the_key_that_goes_upstream_is_the_one_that_the_gate_has_found(
    serve: Served, model: ScriptedModel, headers: dict[str, str], sent: str | None
) -> None:
    async with serve(upstream_forward_key=True) as place, httpx2.AsyncClient() as http:
        await http.post(f"{place.url}/v1/embeddings", headers=headers, json={"model": "m", "input": "x"})
    assert [request.headers.get("authorization") for request in model.requests] == [sent]


async def test_no_process_below_the_server_has_heard_of_the_key(tmp_path: Path, model: ScriptedModel) -> None:
    key = secrets.token_hex(16)
    search = f"""
import glob
key = {key[::-1]!r}[::-1].encode()
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        print(path, key in open(path, "rb").read())
    except OSError:
        pass
key.decode() in str(__import__("os").environ)
"""
    with process(tmp_path, upstream=model.url, upstream_api_key=key, pool_size="1") as (server, url):
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="theirs", max_retries=0) as client:
            model.script(run(search), say("No."))
            response: Any = await client.responses.create(**ASKED)
        below = descendants(server.pid)
        assert {"insitu-superv", "insitu-init", "insitu-zygote", "insitu-agent"} <= set(below.values())
        for pid in below:
            for what in ("environ", "cmdline"):
                assert key.encode() not in Path(f"/proc/{pid}/{what}").read_bytes(), below[pid]
        assert key.encode() in Path(f"/proc/{server.pid}/environ").read_bytes()
    assert model.requests[-1].headers["authorization"] == f"Bearer {key}"
    [found] = logs(response)
    assert found.startswith("/proc/")
    assert "True" not in found
    assert found.endswith("False")
