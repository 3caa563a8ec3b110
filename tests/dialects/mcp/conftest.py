from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from tests.dialects.conftest import KEYS

if TYPE_CHECKING:  # the first major has no such client, and a test here is made with it, too
    from mcp import Client

Connect = Callable[..., AbstractAsyncContextManager["Client"]]


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """The protocol as it is now, without a handshake; and as it was until 2025."""
    return str(request.param)


@pytest.fixture
def connect_mcp(url: str, era: str) -> Connect:
    """Makes clients of MCP's own SDK; the first key is the default."""
    from mcp import Client

    @asynccontextmanager
    async def connect(key: str = KEYS[0], at: str = url, **options: Any) -> AsyncIterator[Client]:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=50) as http:
            async with Client(streamable_http_client(f"{at}/mcp", http_client=http), mode=era, **options) as client:
                yield client

    return connect
