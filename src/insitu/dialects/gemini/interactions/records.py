"""Interactions in the store, where they lie among responses under ids that no other dialect's path can name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from typing import TypeVar

from ....errors import NotFound
from ....store import Admit, EventsRecord, Item, ResponseRecord, Store, missing
from ....web.bodies import Body
from ....web.recording import replay

T = TypeVar("T")


def stored_id(interaction_id: str) -> str:
    """What an interaction, and the job that makes it, are kept under."""
    return f"interactions/{interaction_id}"


class Interactions:
    """An owner's stored interactions.

    All look-ups raise NotFound for what is not there, or is someone else's.
    """

    def __init__(self, store: Store, owner: str) -> None:
        self._responses = store.responses
        self._owner = owner

    async def save(
        self, record: ResponseRecord, inputs: Sequence[Item], outputs: Sequence[Item], events: Sequence[EventsRecord]
    ) -> None:
        """Insert or replace one."""
        previous = None if record.previous_id is None else stored_id(record.previous_id)
        kept = replace(record, id=stored_id(record.id), previous_id=previous)
        await self._responses.save(kept, inputs, outputs, events)

    async def get(self, id: str) -> ResponseRecord:
        """One, without its steps."""
        return await _named(id, self._responses.get(stored_id(id), self._owner))

    async def inputs(self, id: str) -> list[Item]:
        """The steps that it was asked with."""
        return await _named(id, self._responses.inputs(stored_id(id), self._owner))

    async def outputs(self, id: str) -> list[Item]:
        """The steps that it was answered with."""
        return await _named(id, self._responses.outputs(stored_id(id), self._owner))

    async def history(self, id: str, admit: Admit) -> list[Item]:
        """All steps up to its end; raises TooLarge if they are more than is read at once, and what ``admit`` raises."""
        return await _named(id, self._responses.history(stored_id(id), self._owner, admit))

    async def delete(self, id: str) -> None:
        """Delete one."""
        await _named(id, self._responses.delete(stored_id(id), self._owner))

    def replay(self, id: str, number: int, body: Body) -> AsyncIterator[bytes]:
        """Its recorded events from a number on."""
        return replay(self._responses, stored_id(id), self._owner, number, body)


async def _named(id: str, found: Awaitable[T]) -> T:
    try:
        return await found
    except NotFound:
        raise missing("interaction", id[:200]) from None
