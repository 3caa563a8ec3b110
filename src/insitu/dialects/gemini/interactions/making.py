"""Making one interaction: the turn, its events, and what is stored of it."""

from __future__ import annotations

import time
from contextlib import ExitStack

import anyio

from ....store import Item, ResponseRecord, new_id
from ....turn.events import CallRunning, TurnEvent, TurnResult, TurnUsage
from ....turn.guard import TurnFailed
from ....turn.jobs import Job
from ....turn.turns import server_stopping
from ....web.bodies import Body
from ....web.encoding import dumps
from ....web.errors import ServerStopped
from ....web.recording import recorded
from ....web.service import Service
from ....web.sse import encode
from ..answer import ContentAnswer
from ..casing import Json
from ..made import made_parts
from .asked import CreateInteraction
from .emitter import Emitter, now
from .errors import interaction_error_body
from .preparing import PreparedInteraction
from .records import Interactions, stored_id

_STATUSES = {"stop": "completed", "client_tools": "requires_action", "max_tokens": "budget_exceeded"}


def start(service: Service, asked: CreateInteraction, prepared: PreparedInteraction, owner: str, body: Body) -> Job:
    """Start to make an interaction.

    Args:
        body: what the request holds in memory; the interaction does until it is made.

    Raises:
        ServerFull: if there is no room for another turn.
        QuotaExceeded: if the owner's share of it is used up.
    """
    room = ExitStack()
    making = Making(service, asked, prepared, owner, room)
    room.enter_context(service.turns.room(owner))
    room.callback(body.hand_over().let_go)
    return service.turns.jobs.start(stored_id(making.interaction["id"]), owner, making.work, making)


class Making:
    """An interaction that is being made.

    Args:
        room: what its turn runs in; given back when all is done.
    """

    def __init__(
        self, service: Service, asked: CreateInteraction, prepared: PreparedInteraction, owner: str, room: ExitStack
    ) -> None:
        self.interaction = _new_interaction(asked)
        self.asked = asked
        self._service = service
        self._prepared = prepared
        self._owner = owner
        self._room = room
        self._created = time.time()
        self._job: Job | None = None
        self._code_ran = False
        self._answer = ContentAnswer(asked.model or "", shows_thoughts=prepared.content.shows_thoughts)
        self._emitter = Emitter(self.interaction, owner, self._answer, self._send)

    def snapshot(self) -> Json:
        """The interaction as it is now."""
        return self._emitter.snapshot()

    @property
    def inputs(self) -> list[Item]:
        """The steps that it was asked with."""
        return self._prepared.inputs

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
                self._fail(job, ServerStopped() if self._told else server_stopping())
            else:
                self._emitter.end("cancelled")
            raise
        except Exception as exc:
            self._fail(job, exc)
        finally:
            if job.failure is None:
                # Whoever has left: what there is is written down.
                with anyio.CancelScope(shield=True):
                    await self._finish(job)

    @property
    def _told(self) -> bool:
        """Whether the client has heard of it, or code has run: then it must not be asked for again in silence."""
        follows = self.asked.stream or self.asked.background
        return self._code_ran or bool(follows and self._emitter.begun)

    async def _run(self) -> None:
        if self.asked.background:
            self._emitter.begin()
            await self._save(None)
        try:
            result = await self._service.turns.run_in_room(self._prepared.content.turn, self._hear)
        except TurnFailed as exc:
            self.interaction["usage"] = _usage(exc.usage)
            raise exc.error from None
        self.interaction["usage"] = _usage(result.usage)
        await self._end(result)

    async def _end(self, result: TurnResult) -> None:
        for part in await made_parts(self._service, self._owner, self._answer):
            self._emitter.tell(part)
        status = _STATUSES.get(result.reason, "incomplete")
        whole = status in ("completed", "requires_action")
        why = [] if whole else [{"code": result.reason, "message": f"insitu: {result.reason}"}]
        self._emitter.end(status, errors=why)

    def _fail(self, job: Job, error: Exception) -> None:
        if not self._told:
            job.failure = error
            return
        described = interaction_error_body(error, self.interaction["id"])
        self._emitter.end("failed", errors=[{name: described[name] for name in ("code", "message")}])

    async def _finish(self, job: Job) -> None:
        last = self._encoded(self._emitter.last())
        if self.asked.stored:
            await self._save([*job.log.entries, last] if self.asked.background else [])
        # Who hears of the end finds all of it stored.
        job.log.add(last)

    async def _save(self, events: list[bytes] | None) -> None:
        """Store it as it is.

        Args:
            events: all of them, if they are recorded; None before the end.
        """
        kept = {"background": bool(self.asked.background), "server": self._service.store.servers.id}
        record = ResponseRecord(
            id=self.interaction["id"],
            owner=self._owner,
            created=self._created,
            status=self.interaction["status"],
            body={"interaction": self.interaction, **kept},
            previous_id=self.asked.previous_interaction_id,
        )
        outputs = [] if events is None else self._emitter.steps
        interactions = Interactions(self._service.store, self._owner)
        await interactions.save(record, self.inputs, outputs, recorded(events) if events else [])

    def _hear(self, event: TurnEvent) -> None:
        self._code_ran |= isinstance(event, CallRunning)
        self._emitter.hear(event)

    def _send(self, event: Json) -> None:
        assert self._job is not None
        self._job.log.add(self._encoded(event))

    def _encoded(self, event: Json) -> bytes:
        return encode(event["event_type"], dumps(event))


def _new_interaction(asked: CreateInteraction) -> Json:
    previous = {"previous_interaction_id": asked.previous_interaction_id} if asked.previous_interaction_id else {}
    labels = {"labels": asked.labels} if asked.labels else {}
    return {
        "id": new_id("int_"),
        "object": "interaction",
        "model": asked.model,
        "status": "in_progress",
        "created": now(),
        "updated": now(),
        **previous,
        **labels,
    }


def _usage(used: TurnUsage) -> Json:
    return {
        "total_input_tokens": used.input_tokens,
        "total_cached_tokens": used.cached_tokens,
        "total_output_tokens": used.output_tokens - used.reasoning_tokens,
        "total_thought_tokens": used.reasoning_tokens,
        "total_tokens": used.total_tokens,
    }
