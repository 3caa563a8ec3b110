"""What a request has brought is let go once it has become a turn, however long that takes."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import httpx2
import pytest

from insitu.dialects.anthropic.asked import CreateMessage
from insitu.dialects.openai.chat.asked import ChatRequest
from tests.support.model import ScriptedModel, hang
from tests.support.turns import Place

MESSAGES = [{"role": "user", "content": "Hi"}]
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat completions": ("/v1/chat/completions", {"code_interpreter": True}),
    "messages": ("/v1/messages", {"max_tokens": 9}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ASKED)
async def test_the_body_is_let_go_while_the_model_writes(
    place: Place, model: ScriptedModel, api: str, stream: bool
) -> None:
    path, fields = ASKED[api]
    body = {"model": "m", "messages": MESSAGES, "stream": stream, **fields}
    model.script(hang())
    gc.collect()
    gc.disable()
    try:
        async with httpx2.AsyncClient(base_url=place.url) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.post(path, json=body))
            await model.wait_received(0)
            kept = [thing for thing in gc.get_objects() if type(thing) in (CreateMessage, ChatRequest)]
            assert [thing for thing in kept if thing.messages] == []
            tasks.cancel_scope.cancel()
    finally:
        gc.enable()
    await place.idle()
