"""Whatever a guest sends: the host ends it, refuses it or makes a value of it, and keeps little."""

from __future__ import annotations

import json
import os
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

import anyio
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter

from insitu.engine import ToolSpec
from insitu.engine.execution import RunningExecution
from insitu.engine.listing import Listing
from insitu.engine.paused import Paused
from insitu.engine.session import Session
from insitu.engine.slots import Slot, Slots
from insitu.engine.task import FileUpload, Task
from insitu.errors import InsituError, SandboxFailed
from insitu.guest import protocol
from insitu.isolation.process import conversation, packets, sandbox
from insitu.output import output_of
from insitu.settings import Settings
from insitu.turn.report import notes_on
from insitu.types import MIB, Execution, FileInfo
from insitu.web.encoding import dumps
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.puppet import LIMITS, Puppet, Reply, puppet_session, quiet
from tests.fuzz.values import ANY, encoded, like
from tests.support.guest import chunks

HANG_S = 20
TOOLS = (ToolSpec("echo"), ToolSpec("ask", pauses=True))
SILENCE_S = 0.05

ENTRY = like(
    path=st.text(max_size=30) | st.sampled_from(["a", "a" * 5000, "../a", "/etc/passwd", ".insitu/a"]),
    kind=st.sampled_from(["file", "directory", "link", "other"]),
    size=st.integers(0, 1 << 20),
    modified=st.floats(0, 2e9),
    change=st.text(max_size=10),
)
REPLY = like(
    entries=st.lists(ENTRY, max_size=5) | ENTRY.map(lambda entry: [entry] * 3000),
    entry=ENTRY,
    size=st.integers(0, 1 << 70),
    pid=st.integers(),
    errno=st.sampled_from(["ENOENT", "EXDEV", "EIO", "ENOSPC", "EISDIR"]),
    message=st.text(),
)
RESULT = like(
    data=like(**{"text/plain": st.text(max_size=50), "image/png": st.sampled_from(["aGk=", "x", "é"])}),
    main=st.booleans(),
)
CLAIM = like(
    error=like(name=st.text(), value=st.text(), traceback=st.text(), exit_code=st.integers()),
    files=st.lists(ENTRY, max_size=5),
    cpu_s=st.floats(0, 10),
    truncated=st.booleans(),
    complete=st.booleans(),
)
CALL = like(
    name=st.sampled_from(["echo", "ask", "nope", "", "\ud800", "x" * 70_000]),
    arguments=st.dictionaries(st.text(max_size=8), ANY, max_size=4),
)
KINDS = st.sampled_from(
    [protocol.READY, protocol.RESULT, protocol.TOOL_CALL, protocol.FINISHED, protocol.REPLY, protocol.REFUSED]
)


def own_slot() -> Slot:
    return Slot(Slots(1), Paused(Settings(), lambda: None), "")


def control(body: bytes, tail: bytes = b"") -> bytes:
    """A payload as honest guests write it."""
    return len(body).to_bytes(4, "little") + body + tail


def numbered(number: int, body: bytes) -> bytes:
    """A payload of a call as honest guests write it."""
    return protocol.NUMBER.pack(number) + body


NUMBERS = st.sampled_from([0, 1, 1, 2, (1 << 32) - 1])
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.builds(numbered, NUMBERS, (CALL | ANY).map(encoded) | st.binary(max_size=40)),
    st.builds(control, (RESULT | CLAIM | REPLY | ANY).map(encoded), st.binary(max_size=10)),
    st.builds(control, st.binary(max_size=40)),
)
# Of a length that is that of the payload, or is not.
FRAMES = st.one_of(
    st.builds(protocol.frame, KINDS | st.integers(0, 255), PAYLOADS),
    st.builds(
        lambda kind, length, payload: protocol.HEADER.pack(length, kind) + payload,
        st.integers(0, 255),
        st.sampled_from([0, 1, 5, 64 * 1024, 2 * MIB, 3 * MIB, 1 << 31, (1 << 32) - 1]) | st.integers(0, 200),
        PAYLOADS,
    ),
)
HONEST_END = CLAIM.map(lambda claim: protocol.frame(protocol.FINISHED, control(encoded(claim))))
STREAMS = st.one_of(
    st.lists(FRAMES, max_size=6).map(b"".join),
    st.builds(lambda frames, end: b"".join([*frames, end]), st.lists(FRAMES, max_size=4), HONEST_END),
    st.builds(
        lambda results, end: b"".join([*(protocol.frame(protocol.RESULT, control(encoded(r))) for r in results), end]),
        st.lists(RESULT, max_size=5),
        HONEST_END,
    ),
    st.builds(
        lambda calls, end: b"".join([*(protocol.frame(protocol.TOOL_CALL, call) for call in calls), end]),
        st.lists(st.builds(numbered, NUMBERS, CALL.map(encoded)), max_size=5),
        HONEST_END | st.just(b""),
    ),
    st.binary(max_size=200),
)


def made_of(kind: int, body: dict[str, Any], tail: bytes, own_id: bool) -> Reply:
    def reply(number: int) -> list[bytes]:
        named = {**body, "id": number} if own_id else body
        return [protocol.frame(kind, control(encoded(named), tail))]

    return reply


REPLIES: SearchStrategy[Reply] = st.one_of(
    st.builds(made_of, st.just(protocol.REPLY), REPLY, st.binary(max_size=100), st.just(True)),
    st.builds(made_of, KINDS, REPLY, st.binary(max_size=100), st.booleans()),
    STREAMS.map(lambda data: lambda number: [data]),
    st.just(lambda number: None),
    st.just(lambda number: []),
)


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """A silent guest is given up soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversation, "_TIMEOUT_S", SILENCE_S)
        patch.setattr(sandbox, "_START_TIMEOUT_S", SILENCE_S)
        yield


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, within the time in which it must have ended."""

    async def bounded() -> None:
        with anyio.fail_after(HANG_S):
            await work()

    before = len(os.listdir("/proc/self/fd"))
    anyio.run(bounded)
    assert len(os.listdir("/proc/self/fd")) <= before


@fuzzed(300, pieces=st.lists(STREAMS | st.binary(max_size=5), max_size=8), most=st.sampled_from([0, 10, 70_000]))
def test_frames_are_the_same_however_they_come(pieces: list[bytes], most: int) -> None:
    def decoded(parts: list[bytes]) -> tuple[list[protocol.Frame], bool]:
        decoder, found = protocol.Decoder(most), []
        try:
            for part in parts:
                for frame in decoder.feed(part):
                    found.append(frame)
                    assert len(frame[1]) <= most
        except protocol.ProtocolError:
            return found, True
        return found, False

    whole = b"".join(pieces)
    assert decoded(pieces) == decoded([whole]) == decoded(
        [whole[i : i + 1] for i in range(min(len(whole), 20_000))]
    ) or (len(whole) > 20_000)


@fuzzed(300, payload=PAYLOADS)
def test_a_payload_is_an_object_or_a_breach(payload: bytes) -> None:
    try:
        body, tail = protocol.parse_json(payload)
    except protocol.ProtocolError:
        return
    assert isinstance(body, dict)
    assert payload.endswith(tail)
    if not protocol.is_deep(body):
        json.dumps(body, ensure_ascii=False).encode()


@fuzzed(
    300, entries=st.lists(st.lists(ENTRY | ANY, max_size=4) | ANY, max_size=3), globs=st.lists(st.text(max_size=20))
)
def test_listings_are_cut_to_size(entries: list[Any], globs: list[str]) -> None:
    listing = Listing()
    for each in entries:
        if protocol.is_deep({"entries": each}):
            continue  # which never comes so far
        check_files([*listing.update(each), *listing.matching(globs)])
        listing.note(each)


def check_files(files: list[FileInfo]) -> None:
    TypeAdapter(list[FileInfo]).validate_json(dumps(files), strict=True)
    assert all(len(info.path) <= 4096 and info.size >= 0 for info in files)


ASKED: dict[str, Callable[[Session], Awaitable[object]]] = {
    "list": lambda session: session.files.list("a", 2),
    "stat": lambda session: session.files.stat("a"),
    "size": lambda session: session.files.size("a"),
    "read_all": lambda session: session.files.read_all("a", 1000),
    "delete": lambda session: session.files.delete("a"),
    "write": lambda session: session.files.write("a/b", chunks(b"x")),
}


@fuzzed(100, replies=st.lists(REPLIES, max_size=5), asked=st.lists(st.sampled_from(sorted(ASKED)), max_size=4))
def test_whatever_an_agent_answers_is_a_value_or_an_error(replies: list[Reply], asked: list[str]) -> None:
    async def ask() -> None:
        async with puppet_session(replies) as session:
            for each in asked:
                try:
                    told = await ASKED[each](session)
                except InsituError as error:
                    assert len(error.message) < 4096
                    continue
                if isinstance(told, list):
                    check_files(told)

    run(ask)


READY = protocol.json_frame(protocol.READY, {"layers": {}})


@fuzzed(
    100,
    ready=st.just(READY) | STREAMS | like(layers=like(seccomp=st.text())).map(lambda body: json_ready(body)),
    said=st.tuples(st.lists(STREAMS, max_size=3), *[st.lists(st.binary(max_size=6000), max_size=3)] * 2),
    hangs_up=st.booleans(),
    replies=st.lists(REPLIES, max_size=4),
    uploads=st.booleans(),
)
def test_whatever_an_interpreter_says_is_an_execution_or_an_error(
    ready: bytes, said: Sequence[Iterable[bytes]], hangs_up: bool, replies: list[Reply], uploads: bool
) -> None:
    async def execute() -> None:
        manners = {"ready": ready, "said": said, "hangs_up": hangs_up}
        with suppress_one(InsituError):
            async with puppet_session(replies, **manners) as session:
                await carry_out(session, uploads)

    run(execute)


async def carry_out(session: Session, uploads: bool) -> None:
    running = RunningExecution(session.id, own_slot())
    files = [FileUpload("a", b"x")] if uploads else []
    task = Task("1", 0.1, 0.01, files=files, return_files=["*"], tools=TOOLS, tool_wait_s=0.05)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer_calls, running)
        try:
            running.finish(await session.execute(running, task))
        finally:
            tasks.cancel_scope.cancel()
    assert running.slot._slots.running == 0
    check_execution(await running.result())
    for event in running.log.entries:
        json.loads(dumps(event.data))


async def answer_calls(running: RunningExecution) -> None:
    """Answer every other call with what it has sent; the rest is given up."""
    async for event in running.log.read():
        if event.kind == "tool_call" and event.seq % 2:
            assert event.data["name"] in ("echo", "ask")
            await running.answer(event.data["call_id"], event.data["arguments"])


@contextmanager
def suppress_one(kind: type[InsituError]) -> Iterator[None]:
    """Let one such error pass, in a group of its own or not."""
    try:
        yield
    except* kind as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            (error,) = error.exceptions
        assert isinstance(error, kind)
        assert len(error.message) < 5000


def json_ready(body: Any) -> bytes:
    return protocol.frame(protocol.READY, control(encoded(body)))


def check_execution(execution: Execution) -> None:
    """All that is made of an execution, on the server and at a client."""
    body = dumps(execution.to_dict())
    known = TypeAdapter(Execution).validate_json(body, strict=True)
    assert len(body) < 4 * MIB
    assert (known.outcome, known.text, known.images) == (execution.outcome, execution.text, execution.images)
    assert isinstance(output_of(execution), str)
    assert notes_on(execution, [], 0) is not None
    assert Execution.from_dict(json.loads(body))._repr_html_()
    assert sum(len(dumps(result.data)) for result in execution.results) <= 8 * LIMITS.results_bytes


PACKETS = st.tuples(
    (like(id=st.sampled_from([1, 2, 3]), error=st.text(), ended=st.integers(), exit_code=st.integers()) | ANY).map(
        encoded
    )
    | st.binary(min_size=1, max_size=100),
    st.sampled_from([0, 0, 1, 1, 2, 16]),
)


@fuzzed(200, sent=st.lists(PACKETS, max_size=6), calls=st.integers(0, 2))
def test_whatever_comes_as_a_packet_is_an_answer_or_an_error(sent: list[tuple[bytes, int]], calls: int) -> None:
    async def call() -> None:
        ours, theirs = packets.pair()
        async with anyio.create_task_group() as tasks:
            puppet = Puppet(tasks, iter(()))
            caller = packets.Caller(ours, "peer")
            with ours:
                for _ in range(calls):
                    tasks.start_soon(answered, caller)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(send_packets, theirs, sent)
                await caller.serve(puppet._note_end)
                assert not caller.alive

    run(call)


async def send_packets(sock: socket.socket, sent: list[tuple[bytes, int]]) -> None:
    sock.setblocking(False)
    with sock, quiet():
        for body, descriptors in sent:
            await anyio.wait_writable(sock)
            socket.send_fds(sock, [body[: 1 << 16]], [sock.fileno()] * descriptors)


async def answered(caller: packets.Caller) -> None:
    try:
        number, descriptor = await caller.call({})
    except SandboxFailed as error:
        assert len(error.message) < 5000
    else:
        assert number > 0
        os.close(descriptor)


PIECE = protocol.frame(protocol.RESULT, control(b'{"data": {"text/plain": "%b"}}' % (b"x" * 1000))) * 50
ENDLESS: dict[str, tuple[Iterable[bytes], ...]] = {
    "results": (repeat(PIECE), (), ()),
    "frames that nobody knows": (repeat(protocol.frame(99, b"x" * 1000) * 50), (), ()),
    "empty frames": (repeat(protocol.frame(99) * 10_000), (), ()),
    "half a frame": (chain([protocol.HEADER.pack(2 * MIB, protocol.FINISHED)], repeat(b"x")), (), ()),
    "a payload": (chain([protocol.HEADER.pack(2 * MIB, protocol.RESULT)], repeat(b"{" * 50_000)), (), ()),
    "output": ((), repeat(b"x" * 50_000), ()),
    "errors without a character": ((), (), repeat(b"\xff" * 50_000)),
    "calls": (repeat(protocol.call_frame(1, "echo", "{}") * 500), (), ()),
    "calls of what there is not": (repeat(protocol.call_frame(1, "nope", "{}") * 500), (), ()),
    "calls that are large": (repeat(protocol.call_frame(1, "echo", f'{{"x": "{"x" * MIB}"}}')), (), ()),
    "calls that swell": (repeat(protocol.call_frame(1, "echo", f'{{"x": [{"{},".join([""] * 30_000)}{{}}]}}')), (), ()),
    "a call": (chain([protocol.HEADER.pack(8 * MIB, protocol.TOOL_CALL)], repeat(b"{" * 50_000)), (), ()),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_ended_and_not_kept(what: str) -> None:
    said = ENDLESS[what]

    async def execute() -> None:
        async with puppet_session(said=said) as session:
            running = RunningExecution(session.id, own_slot())
            tools = TOOLS if "call" in what else ()
            execution = await session.execute(running, Task("1", 0.3, 0.01, tools=tools))
            assert execution.outcome in ("timeout", "crashed")
            check_execution(execution)

    # Of a call the host holds the bytes, the text and the value at one time.
    assert peak_of(execute) < (48 if "call" in what else 24) * MIB


def test_answers_that_are_never_read_are_bounded() -> None:
    calls = [protocol.call_frame(number, "echo", "{}") for number in range(200)]
    refused: list[Any] = []

    async def execute() -> None:
        async with puppet_session(said=(calls, (), ())) as session:
            running = RunningExecution(session.id, own_slot())

            async def answer() -> None:
                async for event in running.log.read():
                    if event.kind == "tool_call":
                        await running.answer(event.data["call_id"], "x" * 4 * MIB)
                    if event.kind == "tool_result" and "error" in event.data:
                        refused.append(event.data["error"]["name"])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)
                execution = await session.execute(running, Task("1", 2, 0.01, tools=TOOLS))
                tasks.cancel_scope.cancel()
            assert execution.outcome == "timeout"

    assert peak_of(execute) < 110 * MIB
    assert refused == ["MemoryError"] * 184


@pytest.mark.parametrize("what", [PIECE, protocol.frame(protocol.REPLY, control(b'{"id": 0}')) * 5000, b"\0" * 50_000])
def test_an_answer_that_never_ends_ends_the_sandbox(what: bytes) -> None:
    async def ask() -> None:
        async with puppet_session(repeat(lambda number: repeat(what))) as session:
            with pytest.raises(SandboxFailed):
                await session.files.stat("a")
            with pytest.raises(InsituError):
                await session.files.stat("a")

    assert peak_of(ask) < 24 * MIB


def peak_of(work: Callable[[], Awaitable[None]]) -> int:
    """The most memory that Python took for it."""
    tracemalloc.start()
    try:
        run(work)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
