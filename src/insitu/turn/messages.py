"""Messages as model servers take them, and how a history becomes such messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from .events import Message

Part = dict[str, Any]
"""One part of a message's content, or one call, in the shape of chat completions."""


@dataclass(slots=True)
class PastStep:
    """What the model said in one answer of a history, its calls, and what it was told of them, each by its id."""

    said: list[Part] = field(default_factory=list)
    calls: dict[str, Part] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Add some of its text."""
        self.said.append(text_part(text))

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a call, of which nothing is told yet; ``arguments`` are JSON."""
        self.calls[call_id] = tool_call(call_id, name, arguments)
        self.told.pop(call_id, None)

    def forget(self, call_id: str) -> None:
        """Leave out a call of which nobody knows what came."""
        del self.calls[call_id]
        self.told.pop(call_id, None)

    @property
    def is_open(self) -> bool:
        """Whether there is a call of which nothing is told."""
        return len(self.told) < len(self.calls)

    @property
    def unanswered(self) -> list[str]:
        """The calls of which nothing is told."""
        return [call_id for call_id in self.calls if call_id not in self.told]

    def messages(self) -> list[Message]:
        """The same as messages; none if nothing was said and nothing called."""
        if not self.said and not self.calls:
            return []
        calls = {"tool_calls": list(self.calls.values())} if self.calls else {}
        told = [tool_message(call_id, self.told[call_id]) for call_id in self.calls if call_id in self.told]
        return [{"role": "assistant", "content": as_content(self.said, between=""), **calls}, *told]


def flat(entries: Iterable[PastStep | Message]) -> list[Message]:
    """A history as messages: steps of the model's, and what stands between them."""
    messages = (entry.messages() if isinstance(entry, PastStep) else [entry] for entry in entries)
    return list(chain.from_iterable(messages))


def text_part(text: str) -> Part:
    """Text as a part of a message's content."""
    return {"type": "text", "text": text}


def image_part(url: str) -> Part:
    """An image likewise."""
    return {"type": "image_url", "image_url": {"url": url}}


def file_part(filename: str, url: str) -> Part:
    """A file likewise; ``url`` has all of it."""
    return {"type": "file", "file": {"filename": filename, "file_data": url}}


def as_content(parts: Sequence[Part], between: str = "\n") -> str | list[Part]:
    """Parts as the content of a message; ``between`` is what stands between texts that become one."""
    # Many a model server takes plain strings alone where there is nothing but text.
    if all(part["type"] == "text" for part in parts):
        return between.join(part["text"] for part in parts)
    return list(parts)


def tool_call(call_id: str, name: str, arguments: str) -> Part:
    """A call as a part of the model's message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool_message(call_id: str, told: str) -> Message:
    """What the model is told of a call."""
    return {"role": "tool", "tool_call_id": call_id, "content": told}


def with_system(texts: Iterable[str | None], messages: list[Message]) -> list[Message]:
    """The transcript behind one system message of these texts, as far as there are any."""
    text = "\n\n".join(filter(None, texts))
    return one_system([{"role": "system", "content": text}, *messages] if text else messages)


def one_system(messages: list[Message]) -> list[Message]:
    """The transcript with the system messages at its beginning joined into one."""
    # Many a chat template takes one system message, and that at the beginning.
    leading = 0
    while leading < len(messages) and messages[leading]["role"] == "system":
        leading += 1
    contents = [message.get("content") for message in messages[:leading]]
    texts = [content for content in contents if isinstance(content, str)]
    if leading < 2 or len(texts) < leading:
        return messages
    return [{"role": "system", "content": "\n\n".join(texts)}, *messages[leading:]]


def with_note(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages, with one more among the first that tells the model something of its place."""
    leading = 0
    while leading < len(messages) and messages[leading]["role"] in ("system", "developer"):
        leading += 1
    return one_system([*messages[:leading], {"role": "system", "content": text}, *messages[leading:]])
