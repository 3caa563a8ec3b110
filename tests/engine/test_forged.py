"""Code that speaks to the host in the interpreter's name: only its own caller is worse off."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from insitu.engine import Engine
from tests.support.guest import Guest
from tests.support.processes import await_ends

# What code needs to send frames of its own.
FORGE = """
import json, os, struct
def frame(kind, payload, length=None):
    return struct.pack("<IB", len(payload) if length is None else length, kind) + payload
def control(body):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack("<I", len(text)) + text
RESULT, FINISHED = 17, 19
"""

BREACHES = {
    "an oversized frame": "os.write(3, frame(RESULT, b'', 0xFFFFFFFF))",
    "garbage": "os.write(3, b'A' * 4096)",
    "a result that is no JSON": "os.write(3, frame(RESULT, control(b'{')))",
    "a result that is too short": "os.write(3, frame(RESULT, b''))",
    "a result that is shorter than it says": "os.write(3, frame(RESULT, struct.pack('<I', 99)))",
    "a result that is a list": "os.write(3, frame(RESULT, control([])))",
    "nested beyond measure": "os.write(3, frame(RESULT, control(b'[' * 100000)))",
    "an end that is no JSON": "os.write(3, frame(FINISHED, control(b'nonsense')))",
    "a closed channel": "os.close(3)",
    "another thing in its place": "os.dup2(os.open('/dev/null', 1), 3)",
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_who_breaks_the_protocol_is_ended(guest: Guest, breach: str) -> None:
    await guest.run("open('kept', 'w').write('x')")
    execution = await guest.run(f"{FORGE}\nprint('before')\n{BREACHES[breach]}\nimport time; time.sleep(1000)")
    assert (execution.outcome, execution.exit_code, execution.state_kept) == ("crashed", 137, False)
    assert execution.error is not None
    assert execution.error.value.startswith("the interpreter was ended because of what it sent: ")
    assert execution.stdout == "before\n"
    assert await guest.ask("answer = open('kept').read()") == "x"


@pytest.mark.parametrize("length", [1, 1000, 1 << 20])
async def test_a_frame_that_never_ends_costs_its_sender_the_time(guest: Guest, length: int) -> None:
    execution = await guest.run(f"{FORGE}\nos.write(3, frame(RESULT, b'', {length}))\nx = 1", timeout_s=1)
    assert execution.outcome in ("timeout", "crashed")
    assert await guest.ask("answer = 1 + 1") == 2


CLAIMS: dict[str, Any] = {
    "nothing": {},
    "an error that is a word": {"error": "x"},
    "an error without parts": {"error": {}},
    "an error of numbers": {"error": {"name": 1, "value": [2], "traceback": {"a": 3}, "exit_code": "x"}},
    "an exit code beyond all bounds": {"error": {"name": "E", "exit_code": 1 << 70}},
    "a processor time that is a word": {"cpu_s": "x"},
    "a processor time that is no number": {"cpu_s": float("nan")},
    "a processor time beyond all bounds": {"cpu_s": float("inf")},
    "files that are a word": {"files": "x"},
    "files that are numbers": {"files": [1, None, {}, {"path": 1}]},
    "files with odd parts": {"files": [{"path": "../x", "kind": 1, "size": -5, "modified": "x", "change": {}}]},
    "files of boundless size": {"files": [{"path": "a", "kind": "file", "size": 1 << 80, "modified": 1e300}]},
    "half a surrogate pair": {"error": {"name": "\ud800", "value": "\udfff", "traceback": "\ud83d"}},
    "a text that is cut": {"truncated": "yes", "complete": 7},
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_claims_are_cut_to_size(guest: Guest, claim: str) -> None:
    code = f"{FORGE}\nNaN, Infinity, null, true = float('nan'), float('inf'), None, True\n"
    code += f"os.write(3, frame(FINISHED, control({json.dumps(CLAIMS[claim])})))\nos._exit(0)"
    pid = await guest.host_pid()
    execution = await guest.run(code)
    await_ends([pid])
    assert execution.outcome in ("ok", "error")
    body = json.dumps(execution.to_dict(), allow_nan=False, ensure_ascii=False).encode()
    assert len(body) < 4096
    assert execution.usage.cpu_s >= 0
    assert await guest.ask("answer = 1 + 1") == 2


async def test_a_forged_end_is_no_crash_of_the_host(guest: Guest) -> None:
    execution = await guest.run(f"{FORGE}\nos.write(3, frame(FINISHED, control({{}})))\nimport time; time.sleep(0.2)")
    assert execution.outcome == "ok"
    # The answers are one behind now, which is the forger's own affair; the files still are what they are.
    await guest.run("open('kept', 'w').write('x')")
    await guest.run("import os; os._exit(1)")
    await guest.run("import os; os._exit(1)")
    assert await guest.ask("answer = open('kept').read()") == "x"


async def test_results_without_end_are_cut_off(engine: Engine, guest: Guest) -> None:
    code = f"{FORGE}\none = frame(RESULT, control({{'data': {{'text/plain': 'x' * 1000}}, 'main': False}}))\n"
    code += "while True: os.write(3, one * 64)"
    execution = await guest.run(code, timeout_s=20)
    assert execution.outcome == "crashed"
    assert execution.error is not None
    assert execution.error.value.endswith("it sent more than 20000 frames in one execution")
    assert execution.truncated.results is True
    assert len(json.dumps(execution.to_dict())) < 2 * guest.session.limits.results_bytes
    assert await guest.ask("answer = 1 + 1") == 2


async def test_a_thief_of_requests_harms_itself_alone(guest: Guest) -> None:
    steal = "import os, threading\nthreading.Thread(target=lambda: os.read(4, 1 << 20), daemon=True).start()"
    await guest.run(steal)
    # The thread and the interpreter wait for the same bytes: which of them gets the next request, nobody knows.
    outcomes = [(await guest.run("1", timeout_s=1)).outcome for _ in range(6)]
    assert set(outcomes) <= {"ok", "timeout"}
    # It steals once; whoever was waited for in vain is replaced.
    assert outcomes.count("timeout") <= 1


async def test_no_descriptor_can_be_sent(guest: Guest) -> None:
    # Whoever is sent one has to close it, which takes as long as the sender likes: a socket that lingers, say.
    kinds = "import os, stat\nanswer = [stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in range(1, 5)]"
    assert await guest.ask(kinds) == [True] * 4


async def test_a_child_that_fills_the_channel_of_the_dead_holds_up_nobody(guest: Guest) -> None:
    code = f"""
        {FORGE.strip()}
        import time
        frames = frame(RESULT, control({{}})) * 20000
        if os.fork() == 0:
            os.set_blocking(3, True)
            while True:
                os.write(3, frames)
        time.sleep(0.2)
        os._exit(0)
    """.replace("\n        ", "\n")
    with anyio.fail_after(20):
        assert (await guest.run(code)).outcome == "crashed"
    assert await guest.ask("answer = 1 + 1") == 2


async def test_json_that_swells_when_it_is_parsed_is_left_out(guest: Guest) -> None:
    code = f"{FORGE}\nnothing = '[' + ','.join(['[]'] * 200_000) + ']'\n"
    code += 'body = (\'{"data": {"x": \' + nothing + \'}, "main": true}\').encode()\n'
    code += "os.write(3, frame(RESULT, len(body).to_bytes(4, 'little') + body))"
    execution = await guest.run(code)
    assert (execution.outcome, execution.truncated.results) == ("ok", True)
    assert all("x" not in result.data for result in execution.results)


async def test_results_that_swell_together_are_left_out_from_some_number_on(guest: Guest) -> None:
    code = f"{FORGE}\nbody = {{'data': {{'x': [[]] * 40_000}}, 'main': True}}\n"
    execution = await guest.run(f"{code}for _ in range(4): os.write(3, frame(RESULT, control(body)))")
    assert (execution.outcome, execution.truncated.results) == ("ok", True)
    assert [len(result.data["x"]) for result in execution.results] == [40_000] * 2


async def test_what_only_looks_like_json_that_swells_is_kept(guest: Guest) -> None:
    text = '[{,"\\ud800' * 200_000
    execution = await guest.run(f"display({{'text/html': {text!r}}}, raw=True)")
    assert ([result.data for result in execution.results], execution.truncated.results) == (
        [{"text/html": text}],
        False,
    )


async def test_a_number_beyond_all_bounds_is_none(guest: Guest) -> None:
    numbers = f"[1{'0' * 308}, 1{'0' * 309}, 1{'0' * 100_000}]"
    body = f'{{"data": {{"application/json": {numbers}}}, "main": true}}'
    execution = await guest.run(f"{FORGE}\nos.write(3, frame(RESULT, control({body.encode()!r})))")
    assert execution.results[0].data == {"application/json": [10**308, None, None]}


async def test_who_has_broken_the_protocol_has_no_last_word(guest: Guest) -> None:
    execution = await guest.run(f"{FORGE}\nos.write(3, frame(RESULT, control(b'{{')) + frame(FINISHED, control({{}})))")
    assert (execution.outcome, execution.state_kept) == ("crashed", False)
