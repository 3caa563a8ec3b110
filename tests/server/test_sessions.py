"""Sessions over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2


def test_a_session_is_made_shown_listed_and_ended(client: httpx2.Client) -> None:
    asked = {
        "limits": {"memory_bytes": 512 << 20, "timeout_s": 5},
        "metadata": {"for": "tests"},
        "env_vars": {"SECRET": "1"},
        "ttl_s": 600,
        "idle_timeout_s": 60,
    }
    made = client.post("/v1/sessions", json=asked)
    assert made.status_code == 201
    info = made.json()
    path = f"/v1/sessions/{info['id']}"
    assert made.headers["location"] == path
    assert info["id"].startswith("sess_")
    assert len(info["id"]) >= 5 + 32
    assert (info["limits"]["memory_bytes"], info["limits"]["timeout_s"]) == (512 << 20, 5)
    assert (info["metadata"], info["env_vars"]) == ({"for": "tests"}, ["SECRET"])
    assert (info["idle_timeout_s"], info["state"]) == (60, "idle")
    assert 0 < info["expires"] - time.time() <= 600
    assert info["layers"]
    assert client.get(path).json() == info
    assert info["id"] in [each["id"] for each in client.get("/v1/sessions").json()["sessions"]]
    ended = client.delete(path)
    assert (ended.status_code, ended.content) == (204, b"")
    assert client.get(path).json()["error"]["code"] == "session_not_found"
    assert client.delete(path).status_code == 404
    assert client.post(f"{path}/execute", json={"code": "1"}).status_code == 404


def test_a_session_needs_no_body(client: httpx2.Client) -> None:
    made = client.post("/v1/sessions")
    assert made.status_code == 201
    assert client.delete(made.headers["location"]).status_code == 204


def test_what_is_patched_changes_and_the_rest_stays(client: httpx2.Client, session: str) -> None:
    before = client.get(session).json()
    after = client.patch(session, json={"metadata": {"a": "b"}, "idle_timeout_s": 7}).json()
    changed = {name: after[name] for name in ("last_used", "expires")}
    assert after == {**before, **changed, "metadata": {"a": "b"}, "idle_timeout_s": 7}
    assert 0 < after["expires"] - time.time() <= 7
    assert client.patch(session, json={"idle_timeout_s": 2000}).json()["idle_timeout_s"] == 2000
    later = client.patch(session, json={"ttl_s": 1000}).json()
    assert later["metadata"] == {"a": "b"}
    assert 990 < later["expires"] - time.time() <= 1000


def test_interrupt_keeps_the_state(
    client: httpx2.Client, session: str, events: Callable[..., Iterator[tuple[int, str, dict[str, Any]]]]
) -> None:
    assert client.post(f"{session}/interrupt").json() == {"interrupted": False}
    stream = events(f"{session}/execute", "x = 5; print('up', flush=True); import time; time.sleep(600)")
    assert next(data["text"] for _, kind, data in stream if kind == "stdout") == "up\n"
    assert client.get(session).json()["state"] == "busy"
    assert client.post(f"{session}/interrupt").json() == {"interrupted": True}
    *_, (_, kind, execution) = stream
    assert kind == "finished"
    assert (execution["outcome"], execution["state_kept"]) == ("cancelled", True)
    assert client.post(f"{session}/execute", json={"code": "x"}).json()["results"][0]["data"]["text/plain"] == "5"


def test_environments_are_listed(client: httpx2.Client) -> None:
    (default,) = client.get("/v1/environments").json()["environments"]
    assert default["name"] == "default"
    assert default["version"].startswith("3.")
