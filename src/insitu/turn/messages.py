"""Messages as model servers take them."""

from __future__ import annotations

from collections.abc import Sequence

from .events import Message


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
