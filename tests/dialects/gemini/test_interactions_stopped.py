"""Interactions whose server stops, or is killed, before they have ended."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from tests.support.interactions import ASKED, check, interact, refused, stream, until_called
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import run
from tests.support.turns import process
from tests.support.waiting import wait_until

from .conftest import Connect

Serve = Callable[..., str]
ENDLESS = "while True: pass"
CUT = "the server stopped before the code ended (the code may have run in part; send it again if that does no harm)"
EXPIRED = "[The sandbox of the earlier code has expired: its variables and files are gone.]"


def test_past_its_bound_a_server_cuts_them_and_says_so(
    tmp_path: Path, serve: Serve, connect_genai: Connect, model: ScriptedModel
) -> None:
    stopping = process(tmp_path, upstream=model.url, shutdown_s="0.5")
    with stopping as (server, url), ThreadPoolExecutor() as threads:
        gemini = connect_genai(url)
        model.script(*[run(ENDLESS)] * 3, hang(after=None))
        streams = [stream(gemini), stream(gemini, background=True)]
        seen = [until_called(events) for events in streams]
        ask = partial(httpx2.post, f"{url}/v1beta/interactions", json=ASKED, timeout=50)
        plain = threads.submit(ask)
        wait_until(lambda: "insitu_executions 3" in httpx2.get(f"{url}/metrics").text)
        silent = threads.submit(ask)
        wait_until(lambda: not model.left)
        server.send_signal(signal.SIGTERM)
        for events in streams:
            *_, error, last = check(events)
            assert (error.error.code, error.error.message) == ("server_stopped", CUT)
            assert (last.event_type, last.interaction.status) == ("interaction.completed", "failed")
        # Code has run for the one: sent again by itself, it would run twice.
        assert plain.result().status_code == 200
        failed = plain.result().json()
        assert (failed["status"], failed["errors"]) == ("failed", [{"code": "server_stopped", "message": CUT}])
        # Nothing ran for the other: it is asked for again, of another server.
        full = silent.result().json()["error"]
        assert (silent.result().status_code, silent.result().headers["retry-after"]) == (503, "5")
        assert (full["code"], full["status"]) == ("server_full", "UNAVAILABLE")
        assert server.wait(30) == 0
    gemini = connect_genai(serve(data_dir=tmp_path / "data", api_keys=()))
    for made in [*(events[0].interaction.id for events in seen), failed["id"]]:
        stored: Any = gemini.interactions.get(id=made)
        assert (stored.status, stored.errors[0].message) == ("failed", CUT)


def test_what_a_killed_server_was_making_has_failed(
    tmp_path: Path, serve: Serve, connect_genai: Connect, model: ScriptedModel
) -> None:
    with process(tmp_path, upstream=model.url) as (server, url):
        gemini = connect_genai(url)
        model.script(run("n = 1"), say("One."))
        first = interact(gemini)
        model.script(run(ENDLESS))
        with stream(gemini, background=True, previous_interaction_id=first.id) as events:
            made = until_called(events)[0].interaction.id
            server.kill()
    gemini = connect_genai(serve(data_dir=tmp_path / "data", api_keys=()))
    stored: Any = gemini.interactions.get(id=made)
    assert (stored.status, stored.errors[0].code, stored.errors[0].message) == ("failed", "server_stopped", CUT)
    with refused(400, match="its events went with the server that made it"):
        gemini.interactions.get(id=made, stream=True)
    with refused(400, match="the interaction is failed and cannot be cancelled"):
        gemini.interactions.cancel(id=made)
    # What was said is there, and what code had is not: the model is told so.
    model.script(run("'n' in globals()"), say("It is gone."))
    again = interact(gemini, previous_interaction_id=made)
    assert (again.steps[1].result, again.output_text) == ("False", "It is gone.")
    system, *rest = model.requests[-1].body["messages"]
    assert system == {"role": "system", "content": EXPIRED}
    assert [message["role"] for message in rest][:3] == ["user", "assistant", "tool"]
