from __future__ import annotations

from collections.abc import Iterator

import pytest

import insitu
from insitu.errors import InvalidRequest
from insitu.tools import Registry, tool_of

SETTINGS = insitu.Settings(preimport=(), pool_size=0)


def double(number: int) -> int:
    """Doubles a number."""
    return number * 2


async def greet(name: str) -> str:
    """Greets somebody."""
    return f"hello {name}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[insitu.Sandbox]:
    with insitu.Sandbox(settings=SETTINGS, tools=[double, greet]) as made:
        yield made


def test_code_calls_functions_of_this_process(sandbox: insitu.Sandbox) -> None:
    assert sandbox.run("print(tools.double(21), tools.greet('you'))").stdout == "42 hello you\n"


def test_events_tell_of_the_calls(sandbox: insitu.Sandbox) -> None:
    kinds = [event.kind for event in sandbox.stream("kept = tools.double(1)")]
    assert kinds == ["started", "tool_call", "tool_result", "finished"]


def test_a_run_may_be_granted_less(sandbox: insitu.Sandbox) -> None:
    error = sandbox.run("tools.double(1)", tools=["greet"]).error
    assert error is not None
    assert error.value == "there is no tool 'double'; there are: greet"


def test_an_unknown_tool_is_refused(sandbox: insitu.Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="there is no tool 'triple'; there are: double, greet"):
        sandbox.run("1", tools=["triple"])


def test_a_sandbox_without_tools_can_grant_none() -> None:
    with insitu.Sandbox(settings=SETTINGS) as sandbox:
        with pytest.raises(InvalidRequest, match="this sandbox has no tools"):
            sandbox.run("1", tools=["double"])


def test_a_function_that_json_cannot_call_is_refused() -> None:
    def many(*numbers: int) -> int:
        return sum(numbers)

    with pytest.raises(InvalidRequest, match="the function 'many' cannot be a tool"):
        insitu.Sandbox(settings=SETTINGS, tools=[many])


async def test_sandboxes_share_a_registry() -> None:
    async with Registry([tool_of(double)]) as registry:
        async with insitu.AsyncSandbox(settings=SETTINGS, tools=registry) as sandbox:
            assert (await sandbox.run("print(tools.double(4))")).stdout == "8\n"
    async with insitu.AsyncSandbox(settings=SETTINGS, tools=[greet]) as sandbox:
        assert (await sandbox.run("print(await tools.greet.aio('me'))")).stdout == "hello me\n"


def test_a_run_may_bring_functions_of_its_own(sandbox: insitu.Sandbox) -> None:
    def third(number: int) -> int:
        return number // 3

    heard: list[str] = []
    code = "print(tools.third(tools.double(6)))"
    assert sandbox.run(code, client_tools=[third], on_stdout=heard.append).stdout == "4\n"
    assert sandbox.run(code, client_tools=[third]).stdout == "".join(heard) == "4\n"


def test_of_two_of_one_name_it_is_the_one_of_the_run(sandbox: insitu.Sandbox) -> None:
    def own(number: int) -> int:
        return number * 20

    own.__name__ = "double"
    assert sandbox.run("print(tools.double(6))", client_tools=[own]).stdout == "120\n"
    with pytest.raises(InvalidRequest, match="client_tools: two are called 'double'"):
        sandbox.run("1", client_tools=[own, double])
