"""What is said: its files made into words on where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....turn.container import Container
from ....turn.events import Message
from ....turn.messages import text_part
from ....web.stored_files import StoredFiles
from ..attachments import attach


async def with_files(stored: StoredFiles, messages: Sequence[Message], container: Container) -> list[Message]:
    """The messages with words on where their files are, which are put into the container."""

    async def readable(part: Any) -> Any:
        if not isinstance(part, dict) or part.get("type") != "file" or not isinstance(part.get("file"), dict):
            return part
        return text_part(await attach(container, part["file"], "messages", stored))

    return [
        {**message, "content": [await readable(part) for part in content]}
        if isinstance(content := message.get("content"), list)
        else message
        for message in messages
    ]
