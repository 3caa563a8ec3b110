"""Kinds of load that ask a model, which runs code: responses, streamed or not, by shell, and in the background."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import anyio
import httpx2

from insitu.client.answers import rebuilt

from .ledger import Excused, Round, Wrong
from .load import Work
from .script import TOLD, question

_AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}
_SHELL = {"type": "shell", "environment": {"type": "container_auto"}}
_UNFINISHED = ("queued", "in_progress")
_POLL_S = 0.1
Response = dict[str, Any]


async def python_turn(work: Work, round: Round) -> None:
    """A response whose model runs Python."""
    await _turn(work, round, "python", _AUTO, {"interpreter", "agent", "init", "supervisor"})


async def shell_turn(work: Work, round: Round) -> None:
    """A response whose model runs shell commands, two at a time; what they leave does not need the interpreter."""
    await _turn(work, round, "shell", _SHELL, {"agent", "init", "supervisor"})


async def _turn(work: Work, round: Round, tool: str, offered: Mapping[str, Any], loses: Collection[str]) -> None:
    calls = work.random.randrange(1, 5)
    asked = {"model": "scripted", "input": question(tool, calls), "tools": [offered], "store": False}
    response = await (_streamed if work.random.random() < 0.5 else _whole)(work, asked)
    try:
        _judge(round, response, calls, loses)
    finally:
        await _delete_containers(work, response)


async def _whole(work: Work, asked: Mapping[str, Any]) -> Response:
    return await _successful(work, "POST", "/v1/responses", asked)


async def _streamed(work: Work, asked: Mapping[str, Any]) -> Response:
    async with work.http.stream("POST", "/v1/responses", json={**asked, "stream": True}) as response:
        if not response.is_success:
            await response.aread()
            raise rebuilt(response.json()["error"], response.status_code)
        last: dict[str, Any] = {}
        async for event in httpx2.EventSource(response, max_event_size=None):
            last = json.loads(event.data)
    if "response" not in last:
        raise Wrong(f"a stream ended with {last}")
    ended: Response = last["response"]
    return ended


async def _successful(work: Work, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
    status, answer = await work.ask(method, path, body)
    if status >= 300:
        raise rebuilt(answer["error"], status)
    return answer


async def background(work: Work, round: Round) -> None:
    """A response in the background: fetched in the end, cancelled, or deleted while it is made."""
    container = (await _successful(work, "POST", "/v1/containers", {"name": "soak"}))["id"]
    calls = work.random.randrange(2, 6)
    tool = {"type": "code_interpreter", "container": container}
    asked = {"model": "scripted", "input": question("python", calls), "tools": [tool], "background": True}
    begun = await _successful(work, "POST", "/v1/responses", asked)
    path = f"/v1/responses/{begun['id']}"
    fate = work.random.choice(("fetch", "fetch", "cancel", "delete"))
    if fate == "delete":
        await anyio.sleep(work.random.uniform(0, 0.5))
        await _successful(work, "DELETE", path)
        status, _ = await work.ask("GET", path)
        round.need(status == 404, f"a deleted response is answered with {status}")
    else:
        response = await (_cancelled if fate == "cancel" else _fetched)(work, path)
        await _delete_containers(work, response)
        await _successful(work, "DELETE", path)
        if response["status"] != "cancelled" or fate != "cancel":
            _judge(round, response, calls, {"interpreter", "agent", "init", "supervisor"})
    await _delete_container(work, container)


async def _fetched(work: Work, path: str) -> Response:
    while True:
        response = await _successful(work, "GET", path)
        if response["status"] not in _UNFINISHED:
            return response
        await anyio.sleep(_POLL_S)


async def _cancelled(work: Work, path: str) -> Response:
    await anyio.sleep(work.random.uniform(0, 0.5))
    status, answer = await work.ask("POST", f"{path}/cancel")
    # One that has ended meanwhile can no longer be cancelled.
    if status not in (200, 400):
        raise rebuilt(answer["error"], status)
    response = await _successful(work, "GET", path)
    if response["status"] in _UNFINISHED:
        raise Wrong(f"a cancelled response is {response['status']}")
    return response


def _judge(round: Round, response: Response, calls: int, loses: Collection[str]) -> None:
    if response["status"] != "completed":
        if round.struck():
            raise Excused
        raise Wrong(f"a response is {response['status']}: {response['error']} {response['incomplete_details']}")
    [message] = [item for item in response["output"] if item["type"] == "message"]
    told: list[str] = json.loads(message["content"][0]["text"])
    round.need(len(told) == calls, f"of {calls} calls the model was told {told}")
    if not _all_went_on(round, told, loses):
        raise Excused


def _all_went_on(round: Round, told: list[str], loses: Collection[str]) -> bool:
    """Whether each call found what the one before has left; raises Wrong if nothing explains that it did not."""
    found = [TOLD.search(text) for text in told]
    places = [(int(match[1]), match[2]) if match else None for match in found]
    for namespace in dict.fromkeys(place[1] for place in places if place):
        round.hold(namespace, round.begun)
    one_place = len({place[1] for place in places if place}) == 1
    if one_place and [place and place[0] for place in places] == list(range(1, len(told) + 1)):
        return True
    if None in places and round.struck():
        return False
    round.need(round.struck(loses), f"the calls of a turn did not go on from each other: {told}")
    return False


async def _delete_containers(work: Work, response: Response) -> None:
    for item in response["output"]:
        container = item.get("container_id") or (item.get("environment") or {}).get("container_id")
        if container:
            await _delete_container(work, container)


async def _delete_container(work: Work, container: str) -> None:
    status, answer = await work.ask("DELETE", f"/v1/containers/{container}")
    if status not in (200, 404):
        raise rebuilt(answer["error"], status)
