from __future__ import annotations

import pytest

from tests.support.model import ScriptedModel, fail, say
from tests.support.node import needs_node, run_script

pytestmark = needs_node


async def test_the_javascript_sdk_replays_what_was_said() -> None:
    with ScriptedModel() as model:
        model.script(say("All done now."), say("Still done."))
        report = await run_script(
            "chat_stream",
            base_url=model.url,
            model="m",
            prompts=["How much is it?", "And now?"],
            extra_body={"code_interpreter": True},
        )
    first, second = report["turns"]
    assert (first["text"], second["text"]) == ("All done now.", "Still done.")
    assert [part["text"] for part in first["parts"] if part["type"] == "text-delta"] == ["All done", " now."]
    assert [chunk["choices"][0]["delta"] for chunk in first["raw"] if chunk["choices"]][1] == {"content": "All done"}
    assert (first["usage"]["inputTokens"], first["usage"]["outputTokens"]) == (10, 5)
    assert [received.body for received in model.requests] == report["requests"]
    assert model.requests[1].body["code_interpreter"] is True
    assert model.requests[1].body["messages"] == [
        {"role": "user", "content": "How much is it?"},
        {"role": "assistant", "content": "All done now."},
        {"role": "user", "content": "And now?"},
    ]


async def test_an_error_of_the_server_is_reported_and_ends_the_conversation() -> None:
    with ScriptedModel() as model:
        model.script(fail(429))
        report = await run_script("chat_stream", base_url=model.url, model="m", prompts=["How much?", "And now?"])
    [turn] = report["turns"]
    assert (turn["error"]["status"], turn["error"]["message"]) == (429, "The scripted model fails with 429.")


async def test_a_script_that_fails_shows_all_that_it_wrote() -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 1.*TypeError: input\.prompts is not iterable"):
        await run_script("converse", base_url="http://127.0.0.1:1/v1", model="m")
