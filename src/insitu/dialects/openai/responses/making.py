"""Making one response: the turn, its events, and what is stored of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import anyio

from ....errors import InsituError, NotFound
from ....store import ResponseRecord, new_id
from ....turn.events import CallRunning, TurnEvent, TurnUsage
from ....turn.fetchable import fetchable
from ....turn.guard import TurnFailed
from ....turn.jobs import Job
from ....turn.turns import server_stopping
from ....web.bodies import Body
from ....web.encoding import dumps
from ....web.errors import ServerStopped
from ....web.recording import recorded
from ....web.service import Service
from ....web.sse import encode
from .asked import CreateResponse
from .citations import cite, known_files
from .emitter import Emitter
from .preparing import PreparedResponse

_log = logging.getLogger("insitu.dialects.openai")
# The names that OpenAI has for why an answer is not complete; the others are this server's own.
_REASONS = {"length": "max_output_tokens"}
# Why a text may end in the midst of a word.
_CUT_OFF = ("length", "content_filter", "max_time")


def start(service: Service, asked: CreateResponse, prepared: PreparedResponse, owner: str, body: Body) -> Job:
    """Start to make a response.

    Args:
        body: what the request holds in memory; the response does until it is made.

    Raises:
        ServerFull: if there is no room for another turn.
        QuotaExceeded: if the owner's share of it is used up.
    """
    room = ExitStack()
    making = Making(service, asked, prepared, owner, room)
    room.enter_context(service.turns.room(owner))
    room.callback(body.hand_over().let_go)
    return service.turns.jobs.start(making.response["id"], owner, making.work, making)


class Making:
    """A response that is being made.

    Args:
        room: what its turn runs in; given back when all is done.
    """

    def __init__(
        self, service: Service, asked: CreateResponse, prepared: PreparedResponse, owner: str, room: ExitStack
    ) -> None:
        self.stored = asked.store is not False
        self.response = _new_response(asked)
        self._service = service
        self._asked = asked
        self._prepared = prepared
        self._owner = owner
        self._room = room
        self._created = time.time()
        self._job: Job | None = None
        self._code_ran = False
        self._emitter = Emitter(self.response, owner, asked.include or (), self._send)
        self._emitter.files.update({file.path: file for file in prepared.files})
        self._emitter.containers[:] = prepared.containers

    def snapshot(self, include: Sequence[str] | None = None) -> dict[str, Any]:
        """The response as it is now; ``include`` is by default what it was made with."""
        return self._emitter.snapshot(include)

    async def work(self, job: Job) -> None:
        """Run the turn, send its events, store what came of it."""
        try:
            with self._room:
                await self._work(job)
        finally:
            # What it holds can be large, and in circles it would wait for the garbage collector.
            self._job = None
            self._emitter.release()

    async def _work(self, job: Job) -> None:
        self._job = job
        try:
            await self._run()
        except anyio.get_cancelled_exc_class():
            if job.cancelled_by_server:
                self._fail(ServerStopped() if self._told else server_stopping())
            else:
                self._emitter.end("cancelled")
            raise
        except Exception as exc:
            self._fail(exc)
        finally:
            if job.failure is None:
                # Whoever has left: what there is is written down.
                with anyio.CancelScope(shield=True):
                    await self._finish()

    @property
    def _told(self) -> bool:
        """Whether the client has heard of it, or code has run: then it must not be asked for again in silence."""
        follows = self._asked.stream or self._asked.background
        return self._code_ran or bool(follows and self._emitter.begun)

    async def _run(self) -> None:
        if self._asked.background:
            self._emitter.begin(queued=True)
            await self._save()
        self._emitter.known = await known_files(self._service.store, self._owner, self._prepared.containers)
        try:
            result = await self._service.turns.run_in_room(self._prepared.turn, self._hear)
        except TurnFailed as exc:
            self._set_usage(exc.usage)
            raise exc.error from None
        self._set_usage(result.usage)
        await self._answer(result.reason)

    async def _answer(self, reason: str) -> None:
        emitter = self._emitter
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

    def _fail(self, error: Exception) -> None:
        assert self._job is not None
        if not self._told:
            self._job.failure = error
            return
        if isinstance(error, InsituError):
            said = error.message
        else:
            _log.error("the response %s failed", self.response["id"], exc_info=error)
            said = "something went wrong in the server"
        self._emitter.end("failed", error={"code": "server_error", "message": said})

    async def _finish(self) -> None:
        assert self._job is not None
        last = self._encoded(self._emitter.last())
        if self.stored:
            await self._save(last)
        # Who hears of the end finds all of it stored.
        self._job.log.add(last)

    async def _save(self, last: bytes | None = None) -> None:
        response, job = self.response, self._job
        assert job is not None
        ended = last is not None
        record = ResponseRecord(
            id=response["id"],
            owner=self._owner,
            created=self._created,
            status=response["status"],
            body={**response, "include": list(self._asked.include or ()), "server": self._service.store.servers.id},
            previous_id=self._asked.previous_response_id,
            conversation_id=self._asked.conversation_id,
        )
        outputs = self._emitter.items if ended else []
        store = self._service.store
        events = recorded([*job.log.entries, last]) if self._asked.background and last is not None else []
        await store.responses.save(record, self._prepared.inputs, outputs, events)
        if ended and record.conversation_id is not None:
            try:
                items = [*self._prepared.inputs, *outputs]
                await store.conversations.append(record.conversation_id, self._owner, items, admitted=True)
            except NotFound:
                pass  # deleted meanwhile: the answer is there all the same

    def _hear(self, event: TurnEvent) -> None:
        self._code_ran |= isinstance(event, CallRunning)
        self._emitter.hear(event)

    def _send(self, event: dict[str, Any]) -> None:
        assert self._job is not None
        self._job.log.add(self._encoded(event))

    def _encoded(self, event: dict[str, Any]) -> bytes:
        return encode(event["type"], dumps(event))

    def _set_usage(self, usage: TurnUsage) -> None:
        self.response["usage"] = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.total_tokens,
        }


def _new_response(asked: CreateResponse) -> dict[str, Any]:
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
