"""Requests that go on from what is stored: how much they hold, and how many items they may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from insitu.store import Item
from insitu.types import MIB
from insitu.web import bodies
from tests.dialects.conftest import HEADERS
from tests.support.model import ScriptedModel, hang, say

Ask = Callable[..., httpx2.Response]
DIALECTS = pytest.mark.parametrize(
    ("path", "link", "said"),
    [
        ("/v1/responses", "previous_response_id", {"role": "user", "content": "x"}),
        (
            "/v1beta/interactions",
            "previous_interaction_id",
            {"type": "user_input", "content": [{"type": "text", "text": "x"}]},
        ),
    ],
    ids=["responses", "interactions"],
)


def _message(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["message"])


@DIALECTS
async def test_a_history_that_has_no_room_is_not_read(
    serve: Callable[..., str],
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    link: str,
    said: dict[str, Any],
) -> None:
    monkeypatch.setattr(bodies, "OWNER_BYTES", MIB)
    read: list[str] = []

    def reading(*row: Any) -> Item:
        read.append(row[0])
        return Item(*row)

    async with httpx2.AsyncClient(base_url=serve(), headers=HEADERS, timeout=50) as http:
        model.script(say("Long."), hang(), say("Again."))
        made = (await http.post(path, json={"model": "m", "input": "x" * (MIB * 5 // 8)})).json()["id"]
        going_on = {"model": "m", "input": "And?", link: made, "store": True, "background": True}
        first = (await http.post(path, json=going_on)).json()["id"]
        await model.wait_received(1)
        monkeypatch.setattr("insitu.store.responses.Item", reading)
        refused = await http.post(path, json=going_on)
        assert (refused.status_code, read) == (429, [])
        assert "your requests under way hold" in _message(refused)
        await http.post(f"{path}/{first}/cancel")
        answered = await http.post(path, json={"model": "m", "input": "And?", link: made})
        assert (answered.status_code, answered.json()["status"], len(read)) == (200, "completed", 2)


@DIALECTS
def test_a_chain_has_not_any_number_of_items(
    http: httpx2.Client,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    link: str,
    said: dict[str, Any],
) -> None:
    monkeypatch.setattr("insitu.web.holding.MOST_PARTS", 10)
    model.script(say("One."), say("Two."))
    made = http.post(path, json={"model": "m", "input": [said] * 6}).json()["id"]
    enough = http.post(path, json={"model": "m", "input": [said] * 3, link: made})
    assert enough.status_code == 200
    refused = http.post(path, json={"model": "m", "input": "x", link: enough.json()["id"]})
    assert refused.status_code == 400
    assert "there are 12 items, with those that it goes on from, and 10 is the most" in _message(refused)
