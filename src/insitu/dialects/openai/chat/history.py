"""What clients do not see of a conversation, and what they send back without knowing: it is found again here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....store import Item, Store
from ....turn.answers import AnswerText
from ....turn.events import Message, TurnResult
from ....turn.resuming import with_outputs
from ....web.holding import check_count
from .answer import ChatAnswer
from .asked import stripped

_HIDDEN, _OUTPUT = "insitu.hidden", "insitu.output"


@dataclass(slots=True)
class History:
    """A conversation as the model is to read it.

    Args:
        containers: where its code ran, the latest first; whether they are the caller's is seen when they are used.
        open_calls: calls whose code waited for the client when their turn ended, and have no output yet.
        answers: what the client has answered calls that code made; the model never sees them.
    """

    messages: list[Message] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    open_calls: list[str] = field(default_factory=list)
    answers: dict[str, object] = field(default_factory=dict)


async def recall(store: Store, owner: str, messages: Sequence[Message]) -> History:
    """A client's messages, with the server's own calls and their outputs where they were left out."""
    recalling = _Recalling(await _stored(store, owner, messages))
    for message in messages:
        recalling.add(message)
    return await _with_outputs(store, owner, recalling.whole())


class _Recalling:
    """Reads a client's messages, one after the other.

    Args:
        hidden: what turns have added to the transcript, by their client's calls.
    """

    def __init__(self, hidden: Mapping[str, Item]) -> None:
        self._hidden = hidden
        self._of_code = {call_id for item in hidden.values() for call_id in item.private.get("calls_of_code", ())}
        self._history = History()
        self._after_answers: list[Message] = []
        self._seen: set[str] = set()

    def add(self, message: Message) -> None:
        """Take a message."""
        if message["role"] != "tool":
            self._history.messages += self._after_answers
            self._after_answers = []
        elif self._answers_code(message):
            return
        # Each of the client's calls leads to all that its turn has added, which is to be there once.
        turns = {item.private.get("turn", item.id): item for id in _call_ids(message) if (item := self._hidden.get(id))}
        _note_container(self._history, next(iter(turns.values())).private if turns else message.get("insitu"))
        if turns:
            self._go_on_from([item for turn, item in turns.items() if turn not in self._seen])
            self._seen |= turns.keys()
        else:
            self._history.messages.append(stripped(message))

    def whole(self) -> History:
        """The conversation, all of whose messages were taken."""
        self._history.messages += self._after_answers
        return self._history

    def _answers_code(self, message: Message) -> bool:
        answered = message.get("tool_call_id")
        if not isinstance(answered, str) or answered not in self._of_code:
            return False
        self._history.answers[answered] = AnswerText(_text(message.get("content")))
        return True

    def _go_on_from(self, items: Sequence[Item]) -> None:
        said, self._after_answers = _split([each for item in items for each in item.body["messages"]])
        self._history.messages += said
        self._history.open_calls += [call_id for item in items for call_id in item.private.get("open_calls", ())]


async def _with_outputs(store: Store, owner: str, history: History) -> History:
    """The same, with what has come meanwhile of calls that were open."""
    open_calls = list(dict.fromkeys(history.open_calls))
    found = await store.responses.items(open_calls, owner) if open_calls else {}
    told = {id: str(item.body["output"]) for id, item in found.items() if item.body.get("type") == _OUTPUT}
    history.messages = with_outputs(history.messages, told)
    history.open_calls = [call_id for call_id in open_calls if call_id not in told]
    return history


async def remember(store: Store, owner: str, answer: ChatAnswer, result: TurnResult) -> None:
    """Store what a turn has added to the transcript, so that the ids of its client's calls lead to it.

    What has come of calls that an earlier turn had left open is found by their own ids.
    """
    now = time.time()
    items = [Item(id, owner, {"type": _OUTPUT, "output": told}, {}, now) for id, told in result.outputs.items()]
    if result.reason == "client_tools":
        ids = [call["id"] for call in answer.calls]
        known = await store.responses.items(ids, owner) if result.open_calls else {}
        body = {"type": _HIDDEN, "messages": list(result.messages)}
        private = {
            "turn": answer.id,
            "container_id": answer.container_id,
            "calls_of_code": answer.calls_of_code,
            "open_calls": list(result.open_calls),
        }
        items += [Item(call_id, owner, body, private, now) for call_id in ids if call_id not in known]
    if items:
        await store.responses.put_items(items)


async def _stored(store: Store, owner: str, messages: Sequence[Message]) -> Mapping[str, Item]:
    ids = {call_id for message in messages for call_id in _call_ids(message)}
    check_count("messages", len(ids), "calls")
    found = await store.responses.items(ids, owner) if ids else {}
    return {id: item for id, item in found.items() if item.body.get("type") == _HIDDEN}


def _text(content: object) -> str:
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


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
