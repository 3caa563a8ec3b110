from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date

import anyio
import httpx2
import pytest

import insitu
from insitu.errors import InvalidRequest
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def sdk(url: str) -> Iterator[insitu.Client]:
    with insitu.Client(url) as made:
        yield made


def next_day(day: date) -> date:
    """The day after this one."""
    return day.replace(day=day.day + 1)


class Cut:
    """A way to a server, whose first connection that brings certain bytes is cut behind them."""

    def __init__(self, server: httpx2.URL, after: bytes, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.done = threading.Event()
        self._server, self._after, self._listener = server, after, listener

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection((self._server.host, self._server.port or 0))
                threading.Thread(target=self._pump, args=(near, far)).start()
                threading.Thread(target=self._pump, args=(far, near)).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), closing(target):
            while data := source.recv(65536):
                target.sendall(data)
                if self._after in data and not self.done.is_set():
                    self.done.set()
                    source.shutdown(socket.SHUT_RDWR)
                    target.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_after(url: str, after: bytes) -> Iterator[Cut]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cut = Cut(httpx2.URL(url), after, listener)
        thread = threading.Thread(target=cut.serve)
        thread.start()
        yield cut
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def double(number: int) -> int:
    """Doubles a number."""
    return number * 2


def test_code_calls_functions_of_this_program(sdk: insitu.Client) -> None:
    code = "import datetime\nprint(repr(tools.next_day(datetime.date(2024, 5, 1))))"
    assert sdk.run(code, client_tools=[next_day]).stdout == "datetime.date(2024, 5, 2)\n"


def test_what_a_function_raises_is_raised_in_the_code(sdk: insitu.Client) -> None:
    def fail(key: str) -> None:
        raise KeyError(key)

    def opaque() -> object:
        return object()

    heard: list[str] = []
    code = """
for call in (lambda: tools.fail("gone"), lambda: tools.fail(5), tools.opaque):
    try:
        call()
    except (KeyError, ValueError, tools.Error) as error:
        print(error)
"""
    told = sdk.run(code, client_tools=[fail, opaque], on_stdout=heard.append).stdout.splitlines()
    assert told[0] == "\"'gone'\""
    assert told[1] == 'fail: key: 5 is not of type "string"'
    assert told[2].startswith("the value is of type object")
    assert "".join(heard).splitlines() == told


def test_a_run_goes_on_when_the_connection_drops(url: str) -> None:
    with cut_after(url, b"event: tool_call") as cut, insitu.Client(cut.url) as client:

        def cut_now(number: int) -> int:
            cut.done.wait(30)
            return number * 2

        done = client.run("print('before'); print(tools.cut_now(4))", client_tools=[cut_now])
    assert (cut.done.is_set(), done.stdout) == (True, "before\n8\n")


def test_calls_side_by_side_are_answered_side_by_side(sdk: insitu.Client) -> None:
    everybody = threading.Barrier(5)

    def meet(number: int) -> int:
        everybody.wait(30)
        return number

    code = "import asyncio\nprint(await asyncio.gather(*[tools.meet.aio(n) for n in range(5)]))"
    assert sdk.run(code, client_tools=[meet]).stdout == "[0, 1, 2, 3, 4]\n"


def test_functions_go_together_with_tools_of_the_server_and_with_a_session(sdk: insitu.Client) -> None:
    def content() -> bytes:
        return b"abc"

    with sdk.session() as session:
        code = "size = tools.size_of(tools.content())"
        assert session.run(code, tools=["size_of"], client_tools=[content]).ok
        assert session.run("print(size)").stdout == "3\n"


async def test_async_functions_are_called_from_an_event_loop(url: str) -> None:
    everybody = anyio.Event()
    waiting = 0

    async def meet() -> int:
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            everybody.set()
        await everybody.wait()
        return waiting

    async with insitu.AsyncClient(url) as client:
        code = "import asyncio\nprint(await asyncio.gather(*[tools.meet.aio() for n in range(3)]), tools.double(4))"
        done = await client.run(code, client_tools=[meet, double])
        assert done.stdout == "[3, 3, 3] 8\n"
        async with client.session() as session:
            assert (await session.run("print(tools.double(4))", client_tools=[double])).ok


async def test_an_error_of_the_server_is_raised_as_it_is(url: str) -> None:
    async with insitu.AsyncClient(url) as client:
        with pytest.raises(InvalidRequest, match="there is no tool 'none'"):
            await client.run("1", tools=["none"], client_tools=[next_day])


def test_async_functions_need_an_event_loop(sdk: insitu.Client) -> None:
    async def later() -> None:
        pass

    with pytest.raises(InvalidRequest, match="client_tools: 'later' is async"):
        sdk.run("1", client_tools=[later])


def test_a_run_that_is_broken_off_ends_on_the_server(sdk: insitu.Client, client: httpx2.Client) -> None:
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sdk.run("tools.next_day('2024-05-01'); print('on')\nwhile True: pass", client_tools=[next_day], on_stdout=stop)
    wait_until(lambda: "\ninsitu_executions 0\n" in client.get("/metrics").text)


def test_a_function_that_hangs_is_given_up_after_its_time(sdk: insitu.Client) -> None:
    end = threading.Event()

    @insitu.tool(name="wait", timeout_s=0.1)
    def hang() -> None:
        end.wait(60)

    code = "try:\n    tools.wait()\nexcept TimeoutError as error:\n    print(error)"
    assert sdk.run(code, client_tools=[hang]).stdout == "wait did not answer within 0.1 s\n"
    end.set()


LEFT = "import asyncio\ncalled = asyncio.create_task(tools.hang.aio())\nawait asyncio.sleep(0.1)\ncalled.cancel()"


def test_a_run_that_has_ended_waits_for_no_function(sdk: insitu.Client) -> None:
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        end.wait(60)

    assert sdk.run(LEFT, client_tools=[hang]).ok
    assert begun.is_set()
    end.set()


async def test_on_an_event_loop_neither(url: str) -> None:
    end = threading.Event()

    @insitu.tool(timeout_s=0.1)
    def sleep() -> None:
        end.wait(60)

    @insitu.tool(timeout_s=0.1)
    async def pause() -> None:
        await anyio.sleep_forever()

    def hang() -> None:
        end.wait(60)

    code = """
for call in (tools.sleep, tools.pause):
    try:
        call()
    except TimeoutError as error:
        print(error)
"""
    async with insitu.AsyncClient(url) as client:
        done = await client.run(code, client_tools=[sleep, pause])
        assert done.stdout == "sleep did not answer within 0.1 s\npause did not answer within 0.1 s\n"
        assert (await client.run(LEFT, client_tools=[hang])).ok
    end.set()


def test_the_tools_of_a_server_are_listed(sdk: insitu.Client) -> None:
    assert [tool["name"] for tool in sdk.tools()][:2] == ["block", "bulk"]


def test_what_a_tool_of_a_batch_failed_with_is_raised_by_its_name(sdk: insitu.Client) -> None:
    batch = insitu.Batch()
    failed = batch.tool("garbage")
    items = sdk.batch(batch)
    assert (items[0].status, items[0].answer) == ("failed", None)
    with pytest.raises(insitu.CallerError, match="TypeError: what garbage has returned"):
        items.answer_of(failed)
