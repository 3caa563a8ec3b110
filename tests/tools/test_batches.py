"""Tools in batches: as calls of their own, and called by the code of executions; and how much goes into one answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from insitu.settings import Settings
from tests.support.serving import serving

KEYS = ("sesame-open-sesame", "simsalabim-simsalabim")


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """What the module's server is started with: several have keys for it."""
    return settings.model_copy(update={"api_keys": tuple(map(SecretStr, KEYS))})


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[list[httpx2.Client]]:
    with serving(settings) as url, ExitStack() as stack:
        headers = [{"authorization": f"Bearer {key}"} for key in KEYS]
        yield [stack.enter_context(httpx2.Client(base_url=url, timeout=50, headers=each)) for each in headers]


def items(client: httpx2.Client, *calls: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/batch", json={"calls": calls, **fields})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def of_tool(name: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": {"name": name, "arguments": arguments}}


def of_code(code: str, *tools: str) -> dict[str, Any]:
    return {"execute": {"code": code, "tools": tools}}


def test_code_of_a_batch_calls_the_tools_that_it_was_granted(clients: list[httpx2.Client]) -> None:
    code = "print(tools.size_of(b'abc'), [tool.__name__ for tool in tools])"
    granted, other, unknown, without = items(
        clients[0], of_code(code, "size_of"), of_code(code, "find"), of_code(code, "nothing"), of_code("print(5)")
    )
    assert granted["answer"]["stdout"] == "3 ['size_of']\n"
    assert other["answer"]["error"]["value"] == "there is no tool 'size_of'; there are: find"
    assert (unknown["status"], unknown["error"]["type"]) == ("refused", "invalid_request_error")
    assert without["answer"]["stdout"] == "5\n"


def test_calls_of_one_key_count_together_and_not_with_those_of_another(clients: list[httpx2.Client]) -> None:
    by_code = of_code("print(tools.rare())", "rare")
    calls = [of_tool("rare"), by_code, of_tool("rare"), of_tool("rare"), by_code]
    mine = items(clients[0], *calls, order="sequence", on_failure="go_on")
    assert [item["status"] for item in mine] == ["ok", "ok", "ok", "failed", "failed"]
    told = "rare may be called 3 times in 3600 s; again in "
    assert mine[3]["answer"]["error"]["message"].startswith(told)
    assert mine[4]["answer"]["error"]["value"].startswith(told)
    assert [item["status"] for item in items(clients[1], of_tool("rare"))] == ["ok"]


def test_a_tools_bounds_are_those_of_all_its_calls(clients: list[httpx2.Client]) -> None:
    large, hang = items(clients[0], of_tool("large", size=2000), of_tool("hang"))
    assert large["answer"]["error"]["name"] == "TypeError"
    assert "more than 1000 bytes" in large["answer"]["error"]["message"]
    assert hang["answer"]["error"] == {"name": "TimeoutError", "message": "hang did not answer within 0.2 s"}


def test_results_for_which_the_answer_has_no_room_are_left_out_of_it(clients: list[httpx2.Client]) -> None:
    made = items(clients[0], *[of_tool("bulk", size=7_000_000)] * 10, of_tool("bulk", size=5))
    statuses = [item["status"] for item in made]
    assert (statuses.count("ok"), statuses.count("refused")) == (10, 1)
    refused = next(item for item in made if item["status"] == "refused")
    assert refused["error"]["message"].startswith("the answer has no room for it: all of a batch together has 67108864")
    assert {len(item["answer"]["value"]) for item in made[:10] if item is not refused} == {7_000_000}
