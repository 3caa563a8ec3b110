"""Making one response: what is told of its turn, and what is stored of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ....errors import NotFound
from ....store import ResponseRecord, new_id
from ....turn.events import TurnResult, TurnUsage
from ....turn.fetchable import fetchable
from ....web.errors import Described
from ....web.making import Making
from ....web.recording import recorded
from ....web.service import Service
from ....web.shapes import Json
from ..errors import error_of
from .asked import CreateResponse
from .citations import cite
from .emitter import Emitter
from .preparing import PreparedResponse

# The names that OpenAI has for why an answer is not complete; the others are this server's own.
_REASONS = {"length": "max_output_tokens"}
# Why a text may end in the midst of a word.
_CUT_OFF = ("length", "content_filter", "max_time")


class MakingResponse(Making):
    """A response that is being made."""

    event_type = "type"
    _emitter: Emitter

    def __init__(self, service: Service, asked: CreateResponse, prepared: PreparedResponse) -> None:
        self._response = _new_response(asked)
        super().__init__(
            service,
            self._response["id"],
            prepared.turn,
            background=bool(asked.background),
            streamed=bool(asked.stream),
            stored=asked.store is not False,
        )
        self._asked = asked
        self._inputs = prepared.inputs
        self._created = time.time()
        self._emitter = Emitter(self._response, self._owner, asked.include or (), self._send)
        self._emitter.files.update({file.path: file for file in prepared.files})
        self._emitter.containers[:] = prepared.containers
        self._emitter.known = prepared.known

    def snapshot(self, include: Sequence[str] | None = None) -> Json:
        """The response as it is now; ``include`` is by default what it was made with."""
        return self._emitter.snapshot(include)

    async def answer(self, result: TurnResult) -> None:
        """Close the last message, which names the files that were made."""
        emitter, reason = self._emitter, result.reason
        status = "completed" if reason in ("stop", "client_tools") else "incomplete"
        if reason != "client_tools":
            if reason == "stop" or emitter.files:
                emitter.ensure_text()
            made = await fetchable(self._service.turns.containers, self._owner, emitter.files.values())
            cited = await cite(self._service.store, self._owner, emitter.text or "", made, emitter.containers)
            emitter.end_text(cited, "incomplete" if reason in _CUT_OFF else "completed")
        if status == "completed":
            emitter.end(status)
        else:
            emitter.end(status, incomplete_details={"reason": _REASONS.get(reason, reason)})

    def fail(self, told: Described) -> None:
        """Tell of it."""
        self._emitter.end("failed", error=error_of(told))

    async def save(self, events: list[bytes] | None) -> None:
        """Store it, and at its end what was said in its conversation."""
        response, store = self._response, self._service.store
        record = ResponseRecord(
            id=response["id"],
            owner=self._owner,
            created=self._created,
            status=response["status"],
            body={**response, "include": list(self._asked.include or ()), "server": store.servers.id},
            previous_id=self._asked.previous_response_id,
            conversation_id=self._asked.conversation_id,
        )
        outputs = [] if events is None else self._emitter.items
        await store.responses.save(record, self._inputs, outputs, recorded(events) if events else [])
        if events is not None and record.conversation_id is not None:
            try:
                items = [*self._inputs, *outputs]
                await store.conversations.append(record.conversation_id, self._owner, items, admitted=True)
            except NotFound:
                pass  # deleted meanwhile: the answer is there all the same

    def set_usage(self, usage: TurnUsage) -> None:
        """Take what it has cost."""
        self._response["usage"] = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.total_tokens,
        }


def _new_response(asked: CreateResponse) -> Json:
    reasoning = asked.reasoning or {}
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "queued" if asked.background else "in_progress",
        "background": bool(asked.background),
        "completed_at": None,
        "conversation": {"id": asked.conversation_id} if asked.conversation_id else None,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "metadata": asked.metadata or {},
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": asked.safety_identifier,
        "service_tier": asked.service_tier or "default",
        "store": asked.store is not False,
        "temperature": asked.temperature,
        "text": asked.text or {"format": {"type": "text"}},
        "tool_choice": asked.tool_choice or "auto",
        "tools": asked.tools,
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": asked.top_p,
        "truncation": asked.truncation or "disabled",
        "usage": None,
        "user": asked.user,
    }
