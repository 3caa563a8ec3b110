"""Where the API itself is attacked: a server with a model behind it, asked by clients and by bare bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2

from tests.attacks.stand import ATTACKER, NEIGHBOUR, SETTINGS, Stand
from tests.support.model import ScriptedModel
from tests.support.serving import serving
from tests.support.steps import Json

OPERATOR = "the-operators-key-for-the-model-server"
TURNS = 4


class ApiStand(Stand):
    """A stand with a model.

    Args:
        model: what answers the turns.
    """

    def __init__(self, url: str, model: ScriptedModel) -> None:
        super().__init__(url, frozenset())
        self.model = model

    def http(self, key: str | None = ATTACKER, **options: Any) -> httpx2.AsyncClient:
        """A client that sends whatever it is told to."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, **options)

    @asynccontextmanager
    async def both(self) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
        """The attacker and the neighbour."""
        async with self.http() as attacker, self.http(NEIGHBOUR) as neighbour:
            yield attacker, neighbour

    async def raw(self, data: bytes) -> bytes:
        """All that is answered to exactly these bytes until the server closes."""
        address = httpx2.URL(self.url)
        answer = bytearray()
        async with await anyio.connect_tcp(address.host, address.port or 0) as stream:
            with anyio.fail_after(15):
                try:
                    await stream.send(data)
                    async for piece in stream:
                        answer += piece
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass  # it was closed in the midst of what was sent
        return bytes(answer)


@contextmanager
def api_stand(data_dir: Path) -> Iterator[ApiStand]:
    """A server for as long as the block."""
    with ScriptedModel(keeps_connections=False) as model:
        own = {"data_dir": data_dir, "upstream": model.url, "upstream_api_key": _secret(), "keepalive_s": 0.2}
        bounds = {"max_turns_per_owner": TURNS, "max_sessions_per_owner": 50}
        with serving(SETTINGS.model_copy(update={**own, **bounds})) as url:
            yield ApiStand(url, model)


def _secret() -> Any:
    return type(SETTINGS.upstream_api_key)(OPERATOR)


def error_of(answer: httpx2.Response) -> Json:
    """The error in an answer that is a refusal.

    Raises:
        AssertionError: if it is none, or a failure of the server.
    """
    assert 400 <= answer.status_code < 500, answer.text[:500]
    error: Json = answer.json()["error"]
    assert {"type", "code", "message", "request_id"} <= set(error)
    assert len(answer.content) < 16 * 1024
    return error


def anonymous(answer: httpx2.Response, names: Mapping[str, str]) -> tuple[int, str]:
    """A refusal without what differs anyway: the request's id, and the ids that were asked for."""
    error = {**error_of(answer), "request_id": ""}
    text = repr(sorted(error.items()))
    for name, meaning in names.items():
        text = text.replace(name, meaning)
    return answer.status_code, text
