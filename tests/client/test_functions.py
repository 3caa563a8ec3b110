from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any, cast

import pytest

import insitu
from insitu.client import function_calls
from insitu.errors import InvocationFailed, NotFound
from tests.client.conftest import KEY


def hypotenuse(a: float, b: float = 4.0) -> float:
    """A function of this module."""
    return math.hypot(a, b)


@pytest.fixture
def deployed(client: insitu.Client) -> Iterator[insitu.DeployedFunction]:
    yield client.functions.deploy("hyp", hypotenuse, env_vars={"A": "secret"}, memory_bytes=256 << 20)
    client.functions.delete("hyp")


def test_a_function_of_python_is_deployed_by_its_source(
    client: insitu.Client, deployed: insitu.DeployedFunction
) -> None:
    assert (deployed.handler, deployed.version, deployed.env_vars) == ("function.hypotenuse", 1, ("A",))
    assert deployed.limits is not None
    assert deployed.limits.memory_bytes == 256 << 20
    assert client.functions.invoke("hyp", 3.0).result == 5.0
    assert client.functions.invoke("hyp:1", a=6.0, b=8.0).result == 10.0
    assert client.functions.deploy("hyp", hypotenuse, env_vars={"A": "secret"}, memory_bytes=256 << 20) == deployed


def test_it_is_listed_and_found(client: insitu.Client, deployed: insitu.DeployedFunction) -> None:
    assert list(client.functions.list()) == [deployed]
    assert client.functions.get("hyp") == client.functions.get("hyp:1") == deployed
    assert list(client.functions.versions("hyp")) == [deployed]
    assert client.functions.set_alias("hyp", "live", 1).aliases == {"live": 1}
    assert client.functions.invoke("hyp:live", 3.0).version == 1
    client.functions.delete_alias("hyp", "live")
    assert client.functions.publish("hyp").version == 1
    with pytest.raises(NotFound):
        client.functions.get("hyp:2")


async def test_what_is_listed_in_parts_is_put_together(
    client: insitu.Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_calls, "PART", 2)
    for number in range(5):
        client.functions.deploy(f"part{number}", "def main(): pass")
        client.functions.deploy("part0", f"def main(): return {number}")
    listed = client.functions.list()
    assert [each.name for each in listed] == [f"part{number}" for number in range(5)]
    versions = client.functions.versions("part0")
    assert [each.version for each in versions] == [1, 2, 3, 4, 5, 6]
    assert client.functions.get("part0") == listed[0]
    async with insitu.AsyncClient(url, KEY) as other:
        assert (await other.functions.list(), await other.functions.versions("part0")) == (listed, versions)
    for each in listed:
        client.functions.delete(each.name)


def test_a_version_is_never_dropped_in_silence(client: insitu.Client, deployed: insitu.DeployedFunction) -> None:
    for ask in (
        lambda name: client.functions.deploy(name, hypotenuse),
        client.functions.logs,
        client.functions.versions,
        client.functions.publish,
        lambda name: client.functions.set_alias(name, "live", 1),
    ):
        with pytest.raises((insitu.InvalidRequest, NotFound)):
            ask("hyp:1")
    assert client.functions.get("hyp") == deployed


def test_it_runs_in_the_background(client: insitu.Client, deployed: insitu.DeployedFunction) -> None:
    accepted = client.functions.submit("hyp:1", 3.0)
    ended = accepted.wait()
    assert (ended.id, ended.ok, accepted.result()) == (accepted.id, True, 5.0)
    assert client.functions.invocation("hyp", accepted.id).info() == accepted.info() == ended
    assert [each.id for each in client.functions.logs("hyp", 1)] == [accepted.id]
    with pytest.raises(InvocationFailed, match="hyp: TypeError: must be real number, not str"):
        client.functions.submit("hyp", "x").result()


def test_what_runs_in_the_background_is_followed(client: insitu.Client) -> None:
    client.functions.deploy("say", "import sys\ndef main(x):\n    print('hi', file=sys.stderr)\n    return {x}")
    events = list(client.functions.submit("say", b"x").stream())
    assert [event.kind for event in events[-3:]] == ["stderr", "result", "finished"]
    assert (events[-3].text, events[-3].invocation) == ("hi\n", None)
    assert events[-1].invocation is not None
    assert events[-1].invocation.result == {b"x"}
    client.functions.delete("say")


def test_values_cross_as_they_are(client: insitu.Client) -> None:
    client.functions.deploy("same", {"same.py": "def main(*a, **k): return [a, k]"}, handler="same.main")
    day = datetime.date(2026, 1, 2)
    assert client.functions.invoke("same", b"\0", x={day}).result == [[b"\0"], {"x": {day}}]
    client.functions.delete("same")


async def test_from_an_event_loop(url: str) -> None:
    async with insitu.AsyncClient(url, KEY) as client:
        made = await client.functions.deploy("hyp", "def main(x): return x + 1")
        assert list(await client.functions.list()) == [made] == list(await client.functions.versions("hyp"))
        assert await client.functions.get("hyp") == made == await client.functions.publish("hyp")
        assert (await client.functions.invoke("hyp", 1)).result == 2
        accepted = await client.functions.submit("hyp", x=2)
        ended = await accepted.wait()
        assert (ended.result, await client.functions.invocation("hyp", accepted.id).info()) == (3, ended)
        assert await accepted.result() == 3
        assert [event.invocation async for event in accepted.stream()][-1] == ended
        assert len(await client.functions.logs("hyp")) == 2
        await client.functions.set_alias("hyp", "live", 1)
        await client.functions.delete_alias("hyp", "live")
        await client.functions.delete("hyp")
        assert list(await client.functions.list()) == []


def test_a_decorated_function_that_uses_itself_is_not_deployed(client: insitu.Client) -> None:
    @insitu.function(client=client, name="power", timeout_s=5.0)
    def power(base: int, exponent: int = 2) -> int:
        """Raises a number."""
        return base if exponent == 1 else base * power(base, exponent - 1)

    assert (power.__name__, power.__doc__) == ("power", "Raises a number.")
    with pytest.raises(insitu.InvalidRequest, match="uses power from around it"):
        power(3)
    assert "power" not in [each.name for each in client.functions.list()]


def test_a_decorated_function_of_a_module(client: insitu.Client) -> None:
    remote = insitu.function(client=client)(hypotenuse)
    assert remote(3.0) == 5.0
    assert remote.local(6.0, 8.0) == 10.0
    assert client.functions.get("hypotenuse").version == 1
    assert remote.invoke(3.0).cold is False
    assert remote.submit(3.0).result() == 5.0
    with pytest.raises(InvocationFailed, match="hypotenuse: TypeError: must be real number, not str") as failed:
        cast(Any, remote)("x")
    assert failed.value.invocation.outcome == "error"
    client.functions.delete("hypotenuse")
    assert remote(3.0) == 5.0  # it is deployed anew
    assert [each.outcome for each in client.functions.logs("hypotenuse", limit=1001)] == ["ok"]
    client.functions.delete("hypotenuse")


def test_a_decorated_function_names_its_server_by_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSITU_URL", url)
    monkeypatch.setenv("INSITU_API_KEY", KEY)
    remote = insitu.function(hypotenuse)
    assert remote(3.0) == 5.0
    with insitu.Client() as client:
        client.functions.delete("hypotenuse")


def test_an_async_function_is_refused() -> None:
    async def later() -> None: ...

    with pytest.raises(insitu.InvalidRequest, match="later is async"):
        insitu.function(later)
