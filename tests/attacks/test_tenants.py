"""Other tenants: their objects, named in every place that takes an id, and limits that are not the caller's to set"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest

from tests.attacks.api import ApiStand, anonymous, error_of
from tests.attacks.attack import Layer, attack
from tests.attacks.stand import SECRET
from tests.support.model import call, say
from tests.support.responses import PYTHON, run
from tests.support.steps import Json

FUNCTION = {"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object"}}}
CHAT: Json = {"model": "m", "code_interpreter": True, "tools": [FUNCTION]}


@pytest.fixture(scope="module")
def stand(api: ApiStand) -> ApiStand:
    return api


@dataclass(frozen=True, slots=True)
class Things:
    """The ids of one of everything."""

    session: str
    container: str
    cfile: str
    file: str
    response: str
    item: str
    conversation: str
    said: str
    call: str

    def absent(self) -> Things:
        """Ids of the same form that nobody has."""
        return Things(*(re.sub(r"[0-9a-f]{32}", "0" * 32, getattr(self, name)) for name in self.__slots__))

    def names(self) -> dict[str, str]:
        """What each id is of."""
        return {getattr(self, name): name for name in self.__slots__}


@asynccontextmanager
async def things(stand: ApiStand, http: httpx2.AsyncClient) -> AsyncIterator[Things]:
    """Somebody's, until the end of the block."""
    upload = {"file": ("secret.txt", SECRET.encode())}
    session = (await http.post("/v1/sessions")).json()["id"]
    await http.put(f"/v1/sessions/{session}/files/secret.txt", content=SECRET.encode())
    file = (await http.post("/v1/files", data={"purpose": "user_data"}, files=upload)).json()["id"]
    container = (await http.post("/v1/containers", json={"name": SECRET})).json()["id"]
    cfile = (await http.post(f"/v1/containers/{container}/files", files=upload)).json()["id"]
    stand.model.script(run(f"secret = {SECRET!r}"), say(SECRET))
    tool = {"type": "code_interpreter", "container": container}
    response = (await http.post("/v1/responses", json={"model": "m", "input": SECRET, "tools": [tool]})).json()
    items = [{"role": "user", "content": SECRET}]
    conversation = (await http.post("/v1/conversations", json={"items": items})).json()["id"]
    said = (await http.get(f"/v1/conversations/{conversation}/items")).json()["data"][0]["id"]
    stand.model.script(run(f"print({SECRET!r})"), call(("f", {})))
    asked = {**CHAT, "messages": [{"role": "user", "content": SECRET}]}
    chat = (await http.post("/v1/chat/completions", json=asked)).json()["choices"][0]["message"]
    found = Things(
        session,
        container,
        cfile,
        file,
        response["id"],
        response["output"][0]["id"],
        conversation,
        said,
        chat["tool_calls"][0]["id"],
    )
    yield found
    for path in (
        f"sessions/{session}",
        f"containers/{container}",
        f"files/{file}",
        f"responses/{response['id']}",
        f"conversations/{conversation}",
        f"containers/{chat['insitu']['container_id']}",
    ):
        assert (await http.delete(f"/v1/{path}")).is_success, path
    stand.model.forget()


ROUTES = (
    ("GET", "sessions/{session}"),
    ("PATCH", "sessions/{session}"),
    ("DELETE", "sessions/{session}"),
    ("POST", "sessions/{session}/execute"),
    ("POST", "sessions/{session}/interrupt"),
    ("GET", "sessions/{session}/files"),
    ("GET", "sessions/{session}/files/secret.txt"),
    ("HEAD", "sessions/{session}/files/secret.txt"),
    ("PUT", "sessions/{session}/files/secret.txt"),
    ("DELETE", "sessions/{session}/files/secret.txt"),
    ("GET", "responses/{response}"),
    ("GET", "responses/{response}?stream=true"),
    ("DELETE", "responses/{response}"),
    ("POST", "responses/{response}/cancel"),
    ("GET", "responses/{response}/input_items"),
    ("GET", "containers/{container}"),
    ("DELETE", "containers/{container}"),
    ("POST", "containers/{container}/files"),
    ("GET", "containers/{container}/files"),
    ("GET", "containers/{container}/files/{cfile}"),
    ("DELETE", "containers/{container}/files/{cfile}"),
    ("GET", "containers/{container}/files/{cfile}/content"),
    ("GET", "files/{file}"),
    ("DELETE", "files/{file}"),
    ("GET", "files/{file}/content"),
    ("GET", "conversations/{conversation}"),
    ("POST", "conversations/{conversation}"),
    ("DELETE", "conversations/{conversation}"),
    ("POST", "conversations/{conversation}/items"),
    ("GET", "conversations/{conversation}/items"),
    ("GET", "conversations/{conversation}/items/{said}"),
    ("DELETE", "conversations/{conversation}/items/{said}"),
)
BODIES: dict[str, Json] = {
    "sessions/{session}": {"metadata": {"a": "b"}},
    "sessions/{session}/execute": {"code": "1"},
    "containers/{container}/files": {"file_id": "file-1"},
    "conversations/{conversation}": {"metadata": {}},
    "conversations/{conversation}/items": {"items": [{"role": "user", "content": "x"}]},
}


@attack("read, change and delete all that another key has, by its ids in the path", Layer.API)
async def test_others_objects_are_not_there(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.both() as (attacker, neighbour), things(stand, neighbour) as theirs:
        for method, path in ROUTES:
            answers = []
            for ids in (theirs, theirs.absent()):
                named = path.format(**{name: getattr(ids, name) for name in ids.__slots__})
                body = BODIES.get(path) if method in ("POST", "PATCH") else None
                answer = await attacker.request(method, f"/v1/{named}", json=body)
                assert answer.status_code == 404, (method, path, answer.text)
                answers.append((404, "") if method == "HEAD" else anonymous(answer, ids.names()))
            assert answers[0] == answers[1], (method, path)
        for path in ("sessions", "files", "containers"):
            assert SECRET not in (await attacker.get(f"/v1/{path}")).text


def asked(ids: Things) -> dict[str, tuple[str, Json]]:
    """Requests that name an id in their body."""
    message = {"role": "user", "content": "x"}
    file = {"type": "input_file", "file_id": ids.file}
    image = {"type": "input_image", "file_id": ids.file}
    auto = {"type": "auto", "file_ids": [ids.file]}
    responses: dict[str, Json] = {
        "the response before": {"previous_response_id": ids.response},
        "a conversation": {"conversation": ids.conversation},
        "a conversation by its object": {"conversation": {"id": ids.conversation}},
        "an item": {"input": [{"type": "item_reference", "id": ids.item}]},
        "an item of a conversation": {"input": [{"id": ids.said, "type": "item_reference"}]},
        "a hidden item": {"input": [{"type": "item_reference", "id": ids.call}]},
        "a container": {"tools": [{"type": "code_interpreter", "container": ids.container}]},
        "a container's session": {"tools": [{"type": "code_interpreter", "container": ids.session}]},
        "files of a container": {"tools": [{"type": "code_interpreter", "container": auto}]},
        "a shell's container": {
            "tools": [
                {"type": "shell", "environment": {"type": "container_reference", "container_id": ids.container}},
            ]
        },
        "files of a shell": {"tools": [{"type": "shell", "environment": {**auto, "type": "container_auto"}}]},
        "a file": {"input": [{**message, "content": [file]}]},
        "a file where code runs": {"input": [{**message, "content": [file]}], "tools": [PYTHON]},
        "an image": {"input": [{**message, "content": [image]}]},
    }
    chat = {**CHAT, "messages": [message]}
    part = {"type": "file", "file": {"file_id": ids.file}}
    return {
        **{name: ("responses", {"model": "m", "input": "x", **more}) for name, more in responses.items()},
        "a container of a chat": (
            "chat/completions",
            {**chat, "code_interpreter": {"type": "code_interpreter", "container": ids.container}},
        ),
        "files of a chat": (
            "chat/completions",
            {**chat, "code_interpreter": {"type": "code_interpreter", "container": auto}},
        ),
        "a file of a message": ("chat/completions", {**chat, "messages": [{"role": "user", "content": [part]}]}),
        "files of a new container": ("containers", {"name": "x", "file_ids": [ids.file]}),
        "an item of a new conversation": ("conversations", {"items": [{"type": "item_reference", "id": ids.item}]}),
        "a session": ("execute", {"code": "1", "session_id": ids.session}),
        "a session that is a container": ("execute", {"code": "1", "session_id": ids.container}),
    }


@attack("have the objects of another key used, by their ids in a body", Layer.API)
async def test_others_objects_are_not_used(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.both() as (attacker, neighbour), things(stand, neighbour) as theirs:
        heard = len(stand.model.requests)
        requests, absent = asked(theirs), asked(theirs.absent())
        for name, (path, body) in requests.items():
            answers = [
                anonymous(await attacker.post(f"/v1/{path}", json=each), ids.names())
                for each, ids in ((body, theirs), (absent[name][1], theirs.absent()))
            ]
            assert answers[0][0] in (400, 404), name
            assert answers[0] == answers[1], name
        own = (await attacker.post("/v1/containers", json={"name": "own"})).json()["id"]
        answer = await attacker.post(f"/v1/containers/{own}/files", json={"file_id": theirs.file})
        assert answer.status_code == 404
        await attacker.delete(f"/v1/containers/{own}")
        assert len(stand.model.requests) == heard


@attack("run code in the container of another, and hear of it, by a history that names it", Layer.API)
async def test_a_history_of_others_is_the_callers_own_words(stand: ApiStand) -> None:
    look = "import os\nprint('looked', os.listdir(), 'secret' in globals())"
    async with stand.unharmed(), stand.both() as (attacker, neighbour), things(stand, neighbour) as theirs:
        heard = len(stand.model.requests)
        made: list[str] = []
        history: list[Json] = [
            {"type": "code_interpreter_call", "id": theirs.item, "container_id": theirs.container, "code": "1"},
            {"id": theirs.said, "role": "user", "content": "x"},
        ]
        stand.model.script(run(look), say("x"))
        answer = await attacker.post("/v1/responses", json={"model": "m", "input": history, "tools": [PYTHON]})
        made += re.findall(r"cntr_[0-9a-f]{32}", json.dumps(answer.json()["output"]))
        calls = [{"id": theirs.call, "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        messages: list[Any] = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "", "tool_calls": calls, "insitu": {"container_id": theirs.container}},
            {"role": "tool", "tool_call_id": theirs.call, "content": "x"},
        ]
        stand.model.script(run(look), say("x"))
        answer = await attacker.post("/v1/chat/completions", json={**CHAT, "messages": messages})
        made += re.findall(r"cntr_[0-9a-f]{32}", answer.text)
        assert theirs.container not in made
        sent = json.dumps([request.body for request in stand.model.requests[heard:]])
        assert sent.count("looked [] False") == 2
        assert SECRET not in sent
        for container in set(made):
            await attacker.delete(f"/v1/containers/{container}")
        for path in (f"responses/{theirs.response}", f"conversations/{theirs.conversation}"):
            assert (await neighbour.get(f"/v1/{path}")).is_success


@attack("walk through the lists of another, by cursors that are its ids", Layer.API)
async def test_cursors_of_others_lead_nowhere(stand: ApiStand) -> None:
    async with (
        stand.unharmed(),
        stand.both() as (attacker, neighbour),
        things(stand, neighbour) as theirs,
        things(stand, attacker) as own,
    ):
        lists = {
            "files": theirs.file,
            "containers": theirs.container,
            f"containers/{own.container}/files": theirs.cfile,
            f"conversations/{own.conversation}/items": theirs.said,
            f"responses/{own.response}/input_items": theirs.said,
        }
        for path, cursor in lists.items():
            zeros = re.sub(r"[0-9a-f]{32}", "0" * 32, cursor)
            answers = []
            for order in ("asc", "desc"):
                for after in (cursor, zeros):
                    answer = await attacker.get(f"/v1/{path}", params={"after": after, "order": order})
                    answers.append(anonymous(answer, {after: "it"}))
            assert len(set(answers)) == 1, (path, answers)


WRONG = (
    "",
    "%20",
    ".",
    "..",
    "../files",
    "%2e%2e",
    "%2e%2e%2ffiles",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%00",
    "{id}%00",
    "{id}%20",
    "{id}/",
    "{id}%2f..%2f{id}",
    "{id};x",
    "%7Bsession_id%7D",
    "{upper}",
    "{id}%0a",
    "*",
    "%25",
    "_",
    "'%20OR%20'1'='1",
    "{id}'--",
    "%ff%fe",
    "%ed%a0%80",
    "{id}%cc%81",
    "a" * 5000,
    "%f0%9f%98%80" * 500,
)


@attack("reach objects by ids that mean another path, another type, a pattern or a command", Layer.API)
async def test_ids_mean_themselves(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.http() as http, things(stand, http) as own:
        ids = {"sessions": own.session, "containers": own.container, "files": own.file, "responses": own.response}
        for kind, own_id in {**ids, "conversations": own.conversation}.items():
            others = [each for each in ids.values() if each != own_id]
            for each in (*(each.format(id=own_id, upper=own_id.upper()) for each in WRONG), *others):
                for rest in ("", "/files", "/content", "/items", "/input_items"):
                    target = f"/v1/{kind}/{each}{rest}".encode()
                    request = http.build_request("GET", "/", extensions={"target": target})
                    answer = await http.send(request)
                    assert 400 <= answer.status_code < 500, (target, answer.text)
                    assert SECRET not in answer.text
                    assert answer.json()["error"]["message"]


@attack("have another's object end, change hands or mix with its own in a race for one id", Layer.API)
async def test_a_race_for_an_id_has_one_owner(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.both() as (attacker, neighbour), things(stand, neighbour) as theirs:
        statuses: set[int] = set()

        async def rob() -> None:
            for path in (f"sessions/{theirs.session}", f"containers/{theirs.container}", f"files/{theirs.file}"):
                statuses.add((await attacker.delete(f"/v1/{path}")).status_code)
                statuses.add((await attacker.get(f"/v1/{path}")).status_code)
            named = {"code": "print(1)", "session_id": theirs.session}
            statuses.add((await attacker.post("/v1/execute", json=named)).status_code)

        async def use(found: list[bytes]) -> None:
            path = f"/v1/sessions/{theirs.session}/files/secret.txt"
            await neighbour.put(path, content=SECRET.encode())
            found.append((await neighbour.get(path)).content)
            path = f"/v1/containers/{theirs.container}/files/{theirs.cfile}/content"
            found.append((await neighbour.get(path)).content)

        found: list[bytes] = []
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(rob)
                tasks.start_soon(use, found)
        assert statuses == {404}
        assert set(found) == {SECRET.encode()}


@attack("find ids by guessing: they are short, in a row, or made of the time", Layer.API)
async def test_ids_cannot_be_guessed(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.http() as http, things(stand, http) as one, things(stand, http) as other:
        for name in one.__slots__:
            ids = [getattr(each, name) for each in (one, other)]
            first, second = (re.fullmatch(r"[a-z]+[_-]([0-9a-f]{32})", each) for each in ids)
            assert first and second, ids
            bits = bin(int(first[1], 16) ^ int(second[1], 16)).count("1")
            assert 24 < bits < 104, ids  # of 128; a chance of one in a billion and more


OVER: tuple[tuple[str, str, Json], ...] = (
    ("POST", "containers", {"name": "x", "memory_limit": "64g"}),
    ("POST", "containers", {"name": "x", "expires_after": {"anchor": "last_active_at", "minutes": 10**9}}),
    ("POST", "containers", {"name": "x", "network_policy": {"type": "allowlist", "allowed_domains": ["x"]}}),
    ("POST", "containers", {"name": "x", "tier": "none", "owner": "x", "server": "x"}),
    ("POST", "responses", {"tools": [{**PYTHON, "container": {"type": "auto", "memory_limit": "64g"}}]}),
    ("POST", "responses", {"insitu": {"max_steps": 10, "turn_timeout_s": 1e9}}),
    ("POST", "chat/completions", {"code_interpreter": {"container": {"type": "auto", "memory_limit": "64g"}}}),
    ("POST", "sessions", {"limits": {"memory_bytes": 1 << 50}}),
    ("POST", "sessions", {"limits": {"grace_s": 100}}),
    ("POST", "sessions", {"ttl_s": 1e12}),
    ("POST", "sessions", {"owner": "x", "layers": {}, "environment": "default"}),
    ("POST", "sessions", {"tier": "none"}),
    ("POST", "execute", {"code": "1", "timeout_s": 1e6}),
    ("POST", "execute", {"code": "1", "limits": {"cpus": 1e6}}),
    ("PATCH", "sessions/{session}", {"idle_timeout_s": 1e12}),
    ("PATCH", "sessions/{session}", {"limits": {"cpus": 0.1}}),
    ("PATCH", "sessions/{session}", {"env_vars": {"A": "b"}}),
)


@attack("raise its own limits, change its tier or its owner, by any route", Layer.API)
async def test_limits_are_the_operators(stand: ApiStand) -> None:
    turn = {"model": "m", "input": "x"}
    chat = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    async with stand.unharmed(), stand.http() as http, stand.client() as client, client.session() as session:
        before = (await http.get(f"/v1/sessions/{session.id}")).json()
        heard = len(stand.model.requests)
        for method, path, wish in OVER:
            body = {**(turn if path == "responses" else chat if path.startswith("chat") else {}), **wish}
            answer = await http.request(method, f"/v1/{path.format(session=session.id)}", json=body)
            assert error_of(answer)["code"] in ("over_ceiling", "invalid_request", "unsupported", "invalid_value"), body
        assert (await http.get(f"/v1/sessions/{session.id}")).json()["limits"] == before["limits"]
        assert len(stand.model.requests) == heard
