"""What clients do not see of a conversation, and what they send back without knowing: it is found again here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ....store import Item, Store
from ....turn.events import Message
from ..errors import BadParameter
from ..messages import one_system
from ..places import EXPIRED
from .asked import MOST_MESSAGES, stripped

_HIDDEN = "insitu.hidden"


@dataclass(slots=True)
class History:
    """A conversation as the model is to read it.

    Args:
        containers: where its code ran, the latest first; whether they are the caller's is seen when they are used.
    """

    messages: list[Message] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)


async def recall(store: Store, owner: str, messages: Sequence[Message]) -> History:
    """A client's messages, with the server's own calls and their outputs where they were left out."""
    hidden = await _hidden(store, owner, messages)
    history = History()
    after_answers: list[Message] = []
    for message in messages:
        if message["role"] != "tool":
            history.messages += after_answers
            after_answers = []
        item = next((hidden[call_id] for call_id in _call_ids(message) if call_id in hidden), None)
        _note_container(history, message.get("insitu") if item is None else item.private)
        if item is None:
            history.messages.append(stripped(message))
            continue
        said, after_answers = _split(item.body["messages"])
        history.messages += said
    history.messages += after_answers
    return history


def with_note_of_loss(messages: Sequence[Message]) -> list[Message]:
    """The messages, with one more among the first: that what the model may remember of its sandbox is gone."""
    leading = 0
    while leading < len(messages) and messages[leading]["role"] in ("system", "developer"):
        leading += 1
    return one_system([*messages[:leading], {"role": "system", "content": EXPIRED}, *messages[leading:]])


async def remember(
    store: Store, owner: str, call_ids: Iterable[str], messages: Sequence[Message], container_id: str | None
) -> None:
    """Store what a turn has added to the transcript, so that the ids of its client's calls lead to it."""
    body = {"type": _HIDDEN, "messages": list(messages)}
    private = {"container_id": container_id}
    await store.responses.put_items([Item(call_id, owner, body, private, time.time()) for call_id in call_ids])


async def _hidden(store: Store, owner: str, messages: Sequence[Message]) -> Mapping[str, Item]:
    ids = {call_id for message in messages for call_id in _call_ids(message)}
    if len(ids) > MOST_MESSAGES:
        raise BadParameter("messages", f"the messages have {len(ids)} calls, and {MOST_MESSAGES} is the most")
    found = await store.responses.items(ids, owner) if ids else {}
    return {id: item for id, item in found.items() if item.body.get("type") == _HIDDEN}


def _call_ids(message: Message) -> list[str]:
    calls = message.get("tool_calls") if message["role"] == "assistant" else None
    if not isinstance(calls, list):
        return []
    return [call["id"] for call in calls if isinstance(call, dict) and isinstance(call.get("id"), str)]


def _note_container(history: History, source: object) -> None:
    container_id = source.get("container_id") if isinstance(source, Mapping) else None
    if isinstance(container_id, str):
        history.containers.insert(0, container_id)


def _split(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """What comes before the client's own outputs, and what must wait: between outputs no model server takes images."""
    end = len(messages)
    while end and messages[end - 1]["role"] == "user":
        end -= 1
    return list(messages[:end]), list(messages[end:])
