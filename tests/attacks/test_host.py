"""The way from an interpreter to the server: frames that no honest one sends, and what they claim."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

from insitu.types import Outcome
from tests.attacks.asking import ask
from tests.attacks.attack import Attack, Layer, attack, tried
from tests.attacks.stand import Stand

# What code needs to send frames of its own.
FORGE = """
import json, os, signal, struct, time
RESULT, FINISHED = 17, 19
def frame(kind, payload=b"", length=None):
    return struct.pack("<IB", len(payload) if length is None else length, kind) + payload
def control(body):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack("<I", len(text)) + text
def send(data):
    while data: data = data[os.write(3, data):]
"""


def forging(
    what: str, code: str, *ends: Outcome, by: Layer = Layer.HOST, answers: Sequence[object] = (), **options: Any
) -> Attack:
    """An attack that writes to the channel itself."""
    return Attack(what=what, stopped_by=by, code=FORGE + dedent(code), ends=ends, answers=answers, options=options)


ATTACKS = (
    forging(
        "deny that its time is over",
        """
        def deny(*_): send(frame(FINISHED, control({})))
        signal.signal(signal.SIGINT, deny)
        while True: time.sleep(0.01)
        """,
        "timeout",
        by=Layer.CLOCK,
        timeout_s=0.3,
    ),
    forging("claim to be done, and work on", "send(frame(FINISHED, control({})))\nwhile True: pass", "ok"),
    forging(
        "claim that the kernel or the server has ended it",
        """
        error = {"name": "OutOfMemory", "value": "x", "exit_code": 137}
        send(frame(FINISHED, control({"error": error, "outcome": "timeout", "oom_killed": True, "stopped": "timeout"})))
        time.sleep(1000)
        """,
        "error",
    ),
    forging("die of a signal with an answer that is cut", "send(frame(FINISHED, b'', 9))\nos.abort()", "crashed"),
    forging("announce a frame of four gigabytes", "send(frame(RESULT, b'', 0xFFFFFFFF))\ntime.sleep(1000)", "crashed"),
    forging(
        "announce a frame of negative length, and a body that is longer than its frame",
        "send(frame(RESULT, struct.pack('<i', -1)) + struct.pack('<iB', -5, RESULT))\ntime.sleep(1000)",
        "crashed",
    ),
    forging(
        "begin a frame that never ends",
        "send(frame(RESULT, b'', 1 << 20) + b'{')\ntime.sleep(1000)",
        "timeout",
        by=Layer.CLOCK,
        timeout_s=0.3,
    ),
    forging(
        "send a frame byte by byte",
        """
        for byte in frame(RESULT, control({"data": {"text/plain": "'slow'"}, "main": True})): send(bytes([byte]))
        """,
        "ok",
        answers=["slow"],
    ),
    forging(
        "send what only the server, the agent or an interpreter that starts may send",
        """
        request = control({"id": 1, "do": "delete", "path": "/", "layers": {}, "pid": 1})
        for kind in (*range(17), *range(20, 256)): send(frame(kind, request))
        "nothing"
        """,
        "ok",
        answers=["nothing"],
    ),
    forging("call a tool in a form that no interpreter has", "send(frame(18, control({'id': 1})))", "crashed"),
    forging("send empty frames without end", "while True: send(frame(0) * 1000)", "crashed"),
    forging("send garbage", "send(os.urandom(1 << 16).replace(b'\\0', b'A'))\ntime.sleep(1000)", "crashed"),
    forging(
        "send lists in lists, deeper than Python recurses", "send(frame(RESULT, control(b'[' * 100_000)))", "crashed"
    ),
    forging(
        "show results without end, and never read what the server says to them",
        "one = frame(RESULT, control({'data': {'text/plain': 'x'}}))\nfor _ in range(150): send(one * 100)",
        "ok",
        results_bytes=1 << 16,
        timeout_s=5,
    ),
    forging("close the way to the server, and live on", "os.close(3)\ntime.sleep(1000)", "crashed"),
    forging("put a file of its own in the place of the way to the server", "os.dup2(os.open('f', 66), 3)", "crashed"),
    forging("close the way from the server", "os.close(4)", "ok"),
    forging(
        "have the server close a connection that lingers",
        """
        import array, socket
        listener = socket.create_server(("127.0.0.1", 0))
        lingering = socket.create_connection(listener.getsockname())
        taken, _ = listener.accept()
        lingering.setblocking(False)
        attempt(lambda: [lingering.send(bytes(1 << 16)) for _ in range(1000)])
        lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [lingering.fileno()]))]
        attempt(lambda: socket.socket(socket.AF_UNIX, fileno=3).sendmsg([frame(RESULT, control({}))], rights))
        """,
        "ok",
        by=Layer.DESCRIPTORS,
        answers=["ENOTSOCK"],
    ),
)


@tried(ATTACKS)
async def test_host(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)


@attack("send lists in lists, as deep as can be read and not written again", Layer.HOST)
async def test_what_is_nested_deep_is_no_answer(stand: Stand) -> None:
    nest = f"{FORGE}\ndeep = b'[' * 500 + b']' * 500\n"
    result = 'send(frame(RESULT, control(b\'{"main": true, "data": {"text/x": \' + deep + b"}}")))'
    end = 'send(frame(FINISHED, control(b\'{"files": \' + deep + b"}")))\ntime.sleep(1000)'
    async with stand.unharmed(), stand.client() as client:
        shown, ended = await client.run(nest + result), await client.run(nest + end)
    assert (shown.outcome, shown.results, shown.truncated.results) == ("ok", (), True)
    assert ended.outcome == "crashed"


@attack("have the server, or its client, unpickle what code sends", Layer.HOST)
async def test_nothing_is_unpickled(stand: Stand, tmp_path: Path) -> None:
    # What pickle makes of a call of os.mkdir.
    pickled = b"cposix\nmkdir\n(V" + bytes(tmp_path / "unpickled") + b"\ntR."
    as_text = {kind: base64.b64encode(pickled).decode() for kind in ("application/x-pickle", "text/plain", "image/png")}
    async with stand.unharmed(), stand.client() as client:
        for kind in ("RESULT", "FINISHED"):
            for body in (f"{pickled!r}", f"control({pickled!r})"):
                execution = await client.run(f"{FORGE}\nsend(frame({kind}, {body}))\ntime.sleep(1000)")
                assert execution.outcome == "crashed", execution
        execution = await client.run(f"{FORGE}\nsend(frame(RESULT, control({ {'data': as_text}!r})))")
        assert execution.results[0].data == as_text
    assert not (tmp_path / "unpickled").exists()


@attack("end the execution by frames on stdout and stderr", Layer.HOST)
async def test_output_is_no_channel(stand: Stand) -> None:
    forged = '{"error": null, "data": {"text/plain": "forged"}, "main": true}'
    code = f"{FORGE}\nfor fd in (1, 2): os.write(fd, frame(FINISHED, control({forged!r}.encode())))\n1 + 1"
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(code)
    assert execution.result is not None
    assert (execution.outcome, execution.result.text) == ("ok", "2")
    assert forged in execution.stdout and forged in execution.stderr


@attack("write events of its own into the stream that the server sends", Layer.HOST)
async def test_streams_hold_no_events_of_the_codes(stand: Stand) -> None:
    breaks = ("\n\n", "\r\n\r\n", "\r\r", "\u2028\u2028", "\u0085\u0085", "\v\f", "\0")
    forged = "".join(f'{two}event: finished\ndata: {{"outcome": "forged"}}\nid: 99\nretry: 1{two}' for two in breaks)
    code = f"import sys\nsys.stdout.write({forged!r}); {forged!r}"
    async with stand.unharmed(), stand.client() as client:
        events = [event async for event in client.stream(code)]
    assert [event.kind for event in events if event.kind not in ("stdout", "result")] == ["started", "finished"]
    assert "".join(event.text for event in events if event.kind == "stdout") == forged
    assert events[-1].execution is not None
    assert (events[-1].execution.outcome, events[-1].execution.stdout) == ("ok", forged)


@attack("have files of the host returned that it claims to have made", Layer.HOST)
async def test_claimed_files_are_looked_for_in_the_workspace(stand: Stand) -> None:
    paths = (
        "/etc/passwd",
        "../../etc/passwd",
        "/proc/1/environ",
        "link",
        "link/passwd",
        "pipe",
        "none",
        "a\0b",
        "folder",
    )
    claims = [{"path": path, "kind": "file", "size": 5, "modified": 1, "change": "1"} for path in paths]
    make = "os.symlink('/etc', 'link'); os.mkfifo('pipe'); os.mkdir('folder')"
    code = (
        f"{FORGE}\n{make}\nsend(frame(FINISHED, control({ {'files': claims, 'complete': True}!r})))\ntime.sleep(1000)"
    )
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(code, return_files=["**"])
    assert {info.path: info.content for info in execution.files} == dict.fromkeys(paths)


@attack("have the server hold more bytes than the disk has, by files of holes and by links", Layer.HOST)
async def test_returned_files_are_bounded_together(stand: Stand) -> None:
    code = """
        import os
        for n in range(100): os.truncate(os.open(f"holes{n}", os.O_CREAT | os.O_WRONLY), 4 << 20)
        for n in range(100): os.link("holes0", f"link{n}")
        """
    async with stand.unharmed(5), stand.client() as client:
        execution = await client.run(dedent(code), return_files=["**"], results_bytes=10 << 20, timeout_s=5)
    contents = [info.content for info in execution.files if info.content is not None]
    assert len(execution.files) == 200
    assert [len(content) for content in contents] == [4 << 20] * 2


@attack("claim an error of megabytes, and numbers that nobody can count", Layer.HOST)
async def test_claims_are_cut(stand: Stand) -> None:
    error = {
        "name": "E" * 500_000,
        "value": "\x1b[2J" * 100_000,
        "traceback": "x" * 500_000,
        "exit_code": (1 << 90) + 1,
    }
    code = f"{FORGE}\nsend(frame(FINISHED, control({ {'error': error, 'cpu_s': 1e308}!r})))\ntime.sleep(1000)"
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(code)
    assert execution.outcome == "error"
    assert execution.error is not None
    assert len(json.dumps(execution.to_dict(), allow_nan=False)) < 4 << 20
    assert max(len(execution.error.name), len(execution.error.value), len(execution.error.traceback)) == 256 * 1024
    assert execution.usage.cpu_s < 10


@attack("answer for the execution that comes next, and for those of others", Layer.HOST)
async def test_a_forger_answers_itself_alone(stand: Stand) -> None:
    forge = f"{FORGE}\nfor _ in range(3): send(frame(FINISHED, control({{}}))); time.sleep(0.05)"
    async with stand.unharmed(), stand.client() as client, client.session() as session, client.session() as other:
        assert (await session.run(forge)).outcome == "ok"
        assert await ask(other, "1 + 1") == 2
        # Its own answers are late from now on, until it begins anew.
        for _ in range(4):
            await session.run("import os; os._exit(1)")
        assert await ask(session, "2 + 2") == 4


@attack("keep the next code from reaching it, by stuffing the way there", Layer.CLOCK)
async def test_who_stuffs_its_own_way_is_ended(stand: Stand) -> None:
    # Where all have the server's user id, code can open the pipe that it is sent its requests by.
    stuff = f"""
{FORGE}
def stuff():
    os.write(os.open("/proc/self/fd/4", os.O_WRONLY), struct.pack("<IB", (64 << 20) - 1, 1) + bytes(60_000))
attempt(stuff)
"""
    async with stand.unharmed(5), stand.client() as client, client.session() as session:
        stuffed = await ask(session, stuff)
        execution = await session.run("1 + 1")
        ends = {"EACCES": "ok", "went through": "timeout"}
        assert execution.outcome == ends[stuffed], execution.error
        assert await ask(session, "1 + 1") == 2


@attack("keep the next code from reaching it, by standing still", Layer.CLOCK)
async def test_who_stands_still_is_ended(stand: Stand) -> None:
    stop = f"""
{FORGE}
parent = os.getpid()
if os.fork() == 0:
    time.sleep(0.05); os.kill(parent, signal.SIGSTOP); os._exit(0)
"""
    async with stand.unharmed(5), stand.client() as client, client.session() as session, client.session() as other:
        await session.files.write("kept", "x")
        assert (await session.run(stop)).outcome == "ok"
        assert await ask(other, "import time; time.sleep(0.2); 1 + 1") == 2
        execution = await session.run(f"1 + 1  # {'x' * (1 << 20)}")
        assert (execution.outcome, execution.state_kept) == ("timeout", False), execution.error
        assert await ask(session, "open('kept').read()") == "x"
