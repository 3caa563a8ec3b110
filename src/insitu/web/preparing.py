"""What the preparing of a turn begins with, whatever the dialect."""

from __future__ import annotations

from typing import Generic, TypeVar

from .bodies import Body
from .holding import Holding
from .service import Service
from .stored_files import StoredFiles

Asked = TypeVar("Asked")


class Preparing(Generic[Asked]):
    """Finds what one request names; each dialect makes a turn of it.

    Args:
        caller_key: what the model server may get.
        asked: the request, as its dialect has read it.
        body: what the request holds in memory, to which this adds.
    """

    def __init__(self, service: Service, owner: str, caller_key: str, asked: Asked, body: Body) -> None:
        self._service = service
        self._owner = owner
        self._caller_key = caller_key
        self._asked = asked
        self._holding = Holding(body, service.settings.max_transcript_bytes)
        self._stored = StoredFiles(service, owner, self._holding)
