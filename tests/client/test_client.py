"""A client and a real server."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import insitu

from .conftest import KEY

if TYPE_CHECKING:
    from insitu.client.calls import SessionOptions


def test_code_runs_in_a_fresh_sandbox(client: insitu.Client) -> None:
    execution = client.run("1 + 1")
    assert (execution.text, execution.session_id) == ("2", None)
    assert client.run("'execution' in dir()").text == "False"


def test_a_fresh_sandbox_has_the_limits_that_are_asked_for(client: insitu.Client) -> None:
    execution = client.run("print('x' * 10_000)", output_bytes=1000, timeout_s=5)
    assert execution.truncated.stdout is True


def test_a_fresh_sandbox_streams(client: insitu.Client) -> None:
    heard: list[str] = []
    assert client.run("print('a')", on_stdout=heard.append).outcome == "ok"
    assert heard == ["a\n"]
    with closing(client.stream("print('b')")) as events:
        assert [event.kind for event in events] == ["started", "stdout", "finished"]


def test_a_limit_over_the_ceiling_is_named(client: insitu.Client) -> None:
    with pytest.raises(insitu.OverCeiling, match="timeout_s is 1000") as caught:
        client.session(timeout_s=1000)
    assert caught.value.__notes__[0].startswith("request id: ")


def test_a_session_has_what_it_was_given(client: insitu.Client) -> None:
    options: SessionOptions = {
        "memory_bytes": 300 << 20,
        "disk_bytes": 50 << 20,
        "timeout_s": 3,
        "env_vars": {"A": "b"},
        "metadata": {"k": "v"},
        "ttl_s": 600,
    }
    with client.session(**options) as session:
        info = session.info()
        limits = info.limits
        assert (limits.memory_bytes, limits.disk_bytes, limits.timeout_s) == (300 << 20, 50 << 20, 3)
        assert (list(info.env_vars), info.metadata) == (["A"], {"k": "v"})
        assert info.expires - info.created == pytest.approx(600)
        assert session.run("import os; os.environ['A']").text == "'b'"


def test_a_session_ends_with_its_block(client: insitu.Client) -> None:
    with client.session() as session:
        assert session.id in [info.id for info in client.sessions()]
    assert session.id not in [info.id for info in client.sessions()]
    with pytest.raises(insitu.EngineClosed, match=session.id):
        session.run("1")
    session.close()


def test_a_session_can_be_found_again_and_outlives_that_block(client: insitu.Client) -> None:
    with client.session() as session:
        session.run("x = 'still here'")
        with client.connect(session.id) as again:
            assert again.run("x").text == "'still here'"
        assert session.run("x").text == "'still here'"
        again.close()
        with pytest.raises(insitu.SessionNotFound, match=session.id):
            session.run("x")


def test_a_session_that_is_not_there_is_an_exception(client: insitu.Client) -> None:
    with pytest.raises(insitu.SessionNotFound, match="sess_none"):
        client.connect("sess_none")


def test_a_session_of_another_key_is_not_there(client: insitu.Client, url: str) -> None:
    with client.session() as session, insitu.Client(url, "another-key") as other:
        assert other.sessions() == []
        with pytest.raises(insitu.SessionNotFound):
            other.connect(session.id)


def test_no_key_and_a_wrong_key_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSITU_API_KEY", raising=False)
    for key in (None, "wrong"):
        with insitu.Client(url, key) as client:
            with pytest.raises(insitu.Unauthorized):
                client.sessions()


def test_the_server_tells_its_environments_and_health(client: insitu.Client) -> None:
    (environment,) = client.environments()
    version = ".".join(map(str, sys.version_info[:3]))
    assert environment == insitu.EnvironmentInfo("default", sys.executable, version, preimported=())
    assert client.health() == {"status": "ok"}


def test_a_silent_stream_survives_its_keep_alives(client: insitu.Client) -> None:
    code = "import time; time.sleep(.3)"
    assert [event.kind for event in client.stream(code)] == ["started", "finished"]


def test_an_upload_over_the_disk_limit_is_refused_and_leaves_nothing(client: insitu.Client) -> None:
    with client.session(disk_bytes=8 << 20) as session:
        with pytest.raises(insitu.WorkspaceFull):
            session.files.write("big", (bytes(1 << 20) for _ in range(32)))
        assert session.run("import os; os.listdir()").text == "[]"


def test_any_string_reaches_the_server(client: insitu.Client) -> None:
    assert client.run("'\N{SNOWMAN}\u2028\0'.isprintable()".replace("\0", "")).text == "False"
    with pytest.raises(insitu.InvalidRequest):
        client.run("'\ud800'")


def test_a_key_shows_in_no_representation(client: insitu.Client) -> None:
    with client.session() as session:
        assert repr(session) == f"<ClientSession {session.id} at {client.url}>"
    assert KEY not in repr(vars(client)) + repr(vars(session))
