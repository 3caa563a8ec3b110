"""Making one interaction: what is told of its turn, and what is stored of it."""

from __future__ import annotations

import time

from ....store import ResponseRecord, new_id
from ....turn.events import TurnResult, TurnUsage
from ....web.errors import Described
from ....web.making import Making
from ....web.recording import recorded
from ....web.service import Service
from ....web.shapes import Json
from ..answer import ContentAnswer
from ..made import made_parts
from .asked import CreateInteraction
from .emitter import Emitter, now
from .errors import error_of
from .preparing import PreparedInteraction
from .records import Interactions, stored_id

_STATUSES = {"stop": "completed", "client_tools": "requires_action", "max_tokens": "budget_exceeded"}


class MakingInteraction(Making):
    """An interaction that is being made."""

    event_type = "event_type"
    _emitter: Emitter

    def __init__(self, service: Service, asked: CreateInteraction, prepared: PreparedInteraction) -> None:
        self._interaction = _new_interaction(asked)
        super().__init__(
            service,
            stored_id(self._interaction["id"]),
            prepared.content.turn,
            background=bool(asked.background),
            streamed=bool(asked.stream),
            stored=asked.stored,
        )
        self.inputs = prepared.inputs
        self._previous_id = asked.previous_interaction_id
        self._created = time.time()
        self._answer = ContentAnswer(asked.model or "", shows_thoughts=prepared.content.shows_thoughts)
        self._emitter = Emitter(self._interaction, self._owner, self._answer, self._send)

    async def answer(self, result: TurnResult) -> None:
        """Tell of the files that were made, and how it ended."""
        for part in await made_parts(self._service, self._owner, self._answer):
            self._emitter.tell(part)
        status = _STATUSES.get(result.reason, "incomplete")
        whole = status in ("completed", "requires_action")
        why = [] if whole else [{"code": result.reason, "message": f"insitu: {result.reason}"}]
        self._emitter.end(status, errors=why)

    def fail(self, told: Described) -> None:
        """Tell of it, by the words that the error has elsewhere."""
        self._emitter.end("failed", errors=[error_of(told)])

    async def save(self, events: list[bytes] | None) -> None:
        """Store it."""
        kept = {"background": self.background, "server": self._service.store.servers.id}
        record = ResponseRecord(
            id=self._interaction["id"],
            owner=self._owner,
            created=self._created,
            status=self._interaction["status"],
            body={"interaction": self._interaction, **kept},
            previous_id=self._previous_id,
        )
        outputs = [] if events is None else self._emitter.steps
        interactions = Interactions(self._service.store, self._owner)
        await interactions.save(record, self.inputs, outputs, recorded(events) if events else [])

    def set_usage(self, usage: TurnUsage) -> None:
        """Take what it has cost."""
        self._interaction["usage"] = {
            "total_input_tokens": usage.input_tokens,
            "total_cached_tokens": usage.cached_tokens,
            "total_output_tokens": usage.output_tokens - usage.reasoning_tokens,
            "total_thought_tokens": usage.reasoning_tokens,
            "total_tokens": usage.total_tokens,
        }


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
