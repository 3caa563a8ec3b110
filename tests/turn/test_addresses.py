"""Addresses of images go to the model server as they are: nothing is fetched here."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx2
import pytest

from tests.support.model import ScriptedModel, say
from tests.support.turns import Place

CHAT = {"type": "image_url", "image_url": {"url": "{}"}}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat completions": (
        "/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": [CHAT]}], "code_interpreter": True},
    ),
    "responses": (
        "/v1/responses",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "{}"}]}]},
    ),
    "messages": (
        "/v1/messages",
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "{}"}}]}],
        },
    ),
}


@pytest.mark.parametrize("api", ASKED)
async def test_an_address_is_passed_on_and_not_looked_at(place: Place, model: ScriptedModel, api: str) -> None:
    path, body = ASKED[api]
    model.script(say("A cat."))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/cat.png"
        async with httpx2.AsyncClient(base_url=place.url, headers={"anthropic-version": "2023-06-01"}) as client:
            answer = await client.post(path, json=json.loads(json.dumps(body).replace("{}", url)))
        assert answer.status_code == 200
        [part] = model.requests[0].body["messages"][-1]["content"]
        assert part["image_url"]["url"] == url
        with pytest.raises(BlockingIOError):
            listening.accept()
