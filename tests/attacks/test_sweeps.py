"""What the server knows, searched for in all that code can read."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from insitu import AsyncClient, Settings
from insitu.client import AsyncClientSession
from insitu.isolation.process import tier
from insitu.types import Execution
from tests.attacks.attack import Attack, Layer, attack
from tests.attacks.stand import SETTINGS, Stand, stand_at
from tests.attacks.sweeping import ITS_OWN, NOTHING, SWEEP, canary, named
from tests.support.forms import HEADERS, field, file_part, form
from tests.support.model import ScriptedModel, call, say
from tests.support.responses import SHELL

# What a layer keeps away is in the other tests, layer by layer: a search of everything is dear, and made once.
pytestmark = pytest.mark.parametrize("stand", ["all layers"], indirect=True, scope="package")
# Two searches of everything, on a machine that others use too.
_SWEEP_S = 20.0
PLACES = (
    "the attacker's key",
    "the neighbour's key",
    "the upstream's token",
    "a variable of the server's environment",
    "the data folder's path",
    "a stored file",
    "an uploaded file",
    "a file that code wrote",
    "a file's name",
    "a variable of a session",
    "a session's env_vars",
    "an execution's env_vars",
    "stdout",
    "code",
    "metadata",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """A server with canaries in all places.

    Args:
        secrets: the canaries, by place.
    """

    stand: Stand
    secrets: dict[str, str]

    def client(self, who: str = "attacker") -> AsyncClient:
        """A client of the attacker, or of the neighbour."""
        return self.stand.client(self.secrets[f"the {who}'s key"])

    def http(self, who: str = "attacker") -> httpx2.AsyncClient:
        """The same for requests that this client has no call for."""
        key = self.secrets[f"the {who}'s key"]
        return httpx2.AsyncClient(base_url=self.stand.url, headers={"authorization": f"Bearer {key}"}, timeout=50)

    async def fill(self, session: AsyncClientSession) -> None:
        """Plant, in a session of the neighbour's, all that sessions hold."""
        secrets = self.secrets
        await session.files.write("uploaded", secrets["an uploaded file"])
        code = f"""
import os
planted = {secrets["a variable of a session"]!r}
open({secrets["a file's name"]!r}, "w").write({secrets["a file that code wrote"]!r})
print({secrets["stdout"]!r}, os.environ["SESSION"], os.environ["EXECUTION"])
{secrets["code"]!r}
"""
        execution = await session.run(code, env_vars={"EXECUTION": secrets["an execution's env_vars"]})
        assert execution.outcome == "ok", execution

    async def store(self) -> None:
        """Plant a stored file, in the data folder."""
        body = form(field("purpose", "user_data"), file_part(self.secrets["a stored file"].encode()))
        async with self.http("neighbour") as http:
            assert (await http.post("/v1/files", content=body, headers=HEADERS)).status_code == 200

    def pool_is_full(self) -> bool:
        """Whether a sandbox waits that was made after the last one had been taken."""
        headers = {"authorization": "Bearer " + self.secrets["the attacker's key"]}
        return "insitu_pool_ready 1" in httpx2.get(f"{self.stand.url}/metrics", headers=headers).text

    @asynccontextmanager
    async def neighbour(self) -> AsyncIterator[AsyncClientSession]:
        """A session of the neighbour's, full of canaries."""
        variables = {"SESSION": self.secrets["a session's env_vars"]}
        metadata = {"of": self.secrets["metadata"]}
        async with self.client("neighbour") as client:
            async with client.session(env_vars=variables, metadata=metadata) as session:
                await self.fill(session)
                yield session

    def assert_clean(self, printed: str) -> None:
        """A sweep has found what it planted itself in all places, and nothing of the server's in any."""
        assert named(json.loads(printed), self.secrets) == [NOTHING, ITS_OWN]


@contextmanager
def planted_at(stand: Stand, folder: Path, model: ScriptedModel, **others: Any) -> Iterator[Planted]:
    """A server with canaries, as long as the block."""
    secrets = {place: canary() for place in PLACES}
    own = {
        "api_keys": (secrets["the attacker's key"], secrets["the neighbour's key"]),
        "upstream": model.url,
        "upstream_api_key": secrets["the upstream's token"],
        "data_dir": folder / secrets["the data folder's path"],
        "allow_degraded": Layer.LANDLOCK in stand.lacking,
    }
    settings = Settings(**{**SETTINGS.model_dump(exclude_unset=True), **own, **others})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSITU_TEST_CANARY", secrets["a variable of the server's environment"])
        # So few numbers that sandboxes get those of others before them soon.
        patch.setattr(tier, "_MOST_SLOTS", 4)
        with stand_at(settings, stand.lacking) as made:
            yield Planted(made, secrets)


@pytest.fixture(scope="module")
def planted(stand: Stand, tmp_path_factory: pytest.TempPathFactory, the_model: ScriptedModel) -> Iterator[Planted]:
    with planted_at(stand, tmp_path_factory.mktemp("planted"), the_model) as made:
        yield made


def printed(execution: Execution) -> str:
    assert execution.outcome == "ok", execution
    return execution.stdout


async def number_of(session: AsyncClientSession) -> str:
    """What tells sandboxes with another number apart, as far as code can see: their ids outside."""
    return printed(await session.run("print(open('/proc/self/uid_map').read())"))


@attack("search a fresh sandbox for the server's secrets and those of other sessions", Layer.ZYGOTE)
async def test_a_fresh_sandbox(stand: Stand, planted: Planted) -> None:
    async with stand.unharmed(_SWEEP_S), planted.neighbour(), planted.client() as client:
        await planted.store()
        planted.assert_clean(printed(await client.run(SWEEP, timeout_s=_SWEEP_S)))


@attack("search a sandbox for what another one with its number and its ids has left", Layer.NAMESPACES)
async def test_a_sandbox_with_a_number_used_before(stand: Stand, planted: Planted) -> None:
    async with stand.unharmed(_SWEEP_S), planted.client() as client:
        async with planted.neighbour() as victim:
            number = await number_of(victim)
        for _ in range(tier._MOST_SLOTS):
            async with client.session() as session:
                if await number_of(session) == number:
                    planted.assert_clean(printed(await session.run(SWEEP, timeout_s=_SWEEP_S)))
                    return
    raise AssertionError("no sandbox had the victim's number")


@attack("search a sandbox that was made before it was asked for", Layer.ZYGOTE)
async def test_a_sandbox_of_the_pool(
    stand: Stand, tmp_path: Path, the_model: ScriptedModel, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    async with stand.unharmed(_SWEEP_S):
        with planted_at(stand, tmp_path, the_model, pool_size=1) as planted:
            async with planted.neighbour(), planted.client() as client:
                await planted.store()
                eventually(planted.pool_is_full)
                planted.assert_clean(printed(await client.run(SWEEP, timeout_s=_SWEEP_S)))


@attack("search an interpreter that took the place of one which ended itself", Layer.ZYGOTE)
async def test_an_interpreter_started_anew(stand: Stand, planted: Planted) -> None:
    async with stand.unharmed(_SWEEP_S), planted.neighbour(), planted.client() as client, client.session() as session:
        assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        planted.assert_clean(printed(await session.run(SWEEP, timeout_s=_SWEEP_S)))


@attack("search a program that code starts for the server's secrets", Layer.ZYGOTE)
async def test_a_program_that_code_starts(stand: Stand, planted: Planted) -> None:
    async with stand.unharmed(_SWEEP_S), planted.neighbour(), planted.client() as client, client.session() as session:
        await session.files.write("sweep.py", SWEEP)
        planted.assert_clean(printed(await session.run("!python sweep.py", timeout_s=_SWEEP_S)))


@attack("search a shell command of a model's, which the agent starts, for the server's secrets", Layer.AGENT)
async def test_a_command(stand: Stand, tmp_path: Path, model: ScriptedModel) -> None:
    model.script(call(("shell", {"commands": [f"python - <<'END'\n{SWEEP}END"], "timeout_ms": 20_000})), say("done"))
    async with stand.unharmed(_SWEEP_S):
        with planted_at(stand, tmp_path, model) as planted:
            async with planted.neighbour(), planted.http() as http:
                asked = {"model": "m", "input": "Look around.", "tools": [SHELL]}
                answer = (await http.post("/v1/responses", json=asked)).json()
    told = answer["output"][1]["output"][0]
    assert told["outcome"] == {"type": "exit", "exit_code": 0}, told
    assert model.requests[0].headers["authorization"] == "Bearer " + planted.secrets["the upstream's token"]
    planted.assert_clean(told["stdout"])


@attack("open the server's data folder and its working directory by their paths", Layer.ROOT)
async def test_the_data_folder(stand: Stand, planted: Planted, tmp_path: Path) -> None:
    folders = [str(tmp_path), os.getcwd() + "/tests", os.path.expanduser("~/.local/share"), "/var", "/root/.ssh"]
    code = f"[attempt(os.listdir, path) for path in {folders!r}]"
    async with stand.unharmed(), planted.client() as client:
        execution = await client.run(Attack(what="", stopped_by=Layer.ROOT, code=code).program)
    assert execution.text == repr(["ENOENT"] * len(folders))
