"""When a container can no longer be used, and why."""

from __future__ import annotations

import time

from ..engine import Session
from ..errors import NotFound
from ..store import ContainerRecord, Store


class ContainerExpired(NotFound):
    """Raised when a container's time is over, or it died with its sandbox or its server."""

    code = "container_expired"

    def __init__(self, container_id: str, reason: str = "its time without use was over") -> None:
        super().__init__(
            f"the container {container_id!r} has expired: {reason}",
            hint="its variables and files are gone; make a new one",
        )


class ContainerElsewhere(ContainerExpired):
    """Raised when another server, with the same data folder, holds a container."""

    code = "container_elsewhere"

    def __init__(self, container_id: str) -> None:
        NotFound.__init__(
            self,
            f"the container {container_id!r} lives on another server of this data folder",
            hint="ask that server, or make a new container",
        )


def why_expired(record: ContainerRecord, store: Store, session: Session | None) -> str | None:
    """Why a container can no longer be used, if so.

    Args:
        session: its session, if it has one here.
    """
    if record.status != "running":
        return "it was deleted" if record.status == "deleted" else "its time without use was over"
    if is_elsewhere(record, store):
        return "another server holds it"
    if record.server != store.servers.id:
        return "the server that held it has stopped"
    if session is not None and session.ended:
        return session.ended
    if session is not None and not session.healthy:
        return "its sandbox died"
    if session is None and record.last_active + record.expires_after_s <= time.time():
        return "its time without use was over"
    return None


def is_elsewhere(record: ContainerRecord, store: Store) -> bool:
    """Whether a container lives, but on another server."""
    return record.status == "running" and record.server != store.servers.id and store.servers.alive(record.server)
