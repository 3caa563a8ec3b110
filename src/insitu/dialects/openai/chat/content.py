"""What is said: its files made into words on where they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ....turn.container import Container
from ....turn.events import Message
from ....turn.messages import text_part
from ....turn.request import Attached
from ....web.attachments import attach
from ....web.service import Service


async def with_files(
    service: Service, owner: str, messages: Sequence[Message], container: Container, attached: Attached
) -> list[Message]:
    """The messages with words on where their files are, which are put into the container."""

    async def readable(part: Any) -> Any:
        if not isinstance(part, dict) or part.get("type") != "file" or not isinstance(part.get("file"), dict):
            return part
        find = partial(service.store.files.get, owner=owner)
        return text_part(await attach(container, part["file"], "messages", find, attached))

    return [
        {**message, "content": [await readable(part) for part in content]}
        if isinstance(content := message.get("content"), list)
        else message
        for message in messages
    ]
