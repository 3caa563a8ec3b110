"""All containers of a server: they are found again by their ids."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..engine import Engine
from ..settings import Settings
from ..store import ContainerRecord, Page, Store, new_id
from .container import Container, Shared

DEFAULT_EXPIRY_S = 20 * 60.0


class Containers:
    """All containers of this server."""

    def __init__(self, settings: Settings, engine: Engine, store: Store) -> None:
        self.store = store
        self._held: dict[str, Container] = {}
        self._shared = Shared(settings, engine, store, self._held)

    def new(
        self,
        owner: str,
        *,
        name: str = "auto",
        expires_after_s: float = DEFAULT_EXPIRY_S,
        memory_bytes: int | None = None,
        file_ids: Sequence[str] = (),
    ) -> Container:
        """A container that is neither stored nor made before it is used.

        Raises:
            OverCeiling: if it asks for more memory than the operator allows.
        """
        self._shared.settings.limits(memory_bytes=memory_bytes)
        now = time.time()
        record = ContainerRecord(
            id=new_id("cntr_"),
            owner=owner,
            created=now,
            last_active=now,
            name=name,
            expires_after_s=expires_after_s,
            memory_bytes=memory_bytes,
            status="running",
            server=self._shared.server_id,
            file_ids=tuple(file_ids),
        )
        return Container(self._shared, record, stored=False)

    async def get(self, container_id: str, owner: str) -> Container:
        """Find a container, expired or not.

        Raises:
            NotFound: if it is not there, or someone else's.
        """
        held = self._held.get(container_id)
        if held is not None and held.record.owner == owner:
            return held
        container = Container(self._shared, await self.store.containers.get(container_id, owner), stored=True)
        # Another request may have found it meanwhile: one container has one session.
        return container if container.expired else self._held.setdefault(container_id, container)

    async def usable(self, container_id: str, owner: str) -> Container:
        """Find a container that can still be used.

        Raises:
            ContainerExpired: if it cannot.
            NotFound: if it is not there, or someone else's.
        """
        container = await self.get(container_id, owner)
        container.require()
        return container

    async def list(self, owner: str, page: Page, name: str | None = None) -> tuple[list[Container], bool]:
        """An owner's containers, and whether there are more."""
        found = await self.store.containers.list(owner, page, name)
        held: Mapping[str, Container] = self._held
        return [held.get(r.id) or Container(self._shared, r, stored=True) for r in found.data], found.has_more

    async def forget_expired(self) -> None:
        """Write down which containers have expired, and when the others were last used."""
        for container in list(self._held.values()):
            record = replace(container.record, last_active=container.last_active)
            if container.expired:
                record = replace(record, status="expired")
                self._held.pop(container.id, None)
            if record != container.record:
                container.record = record
                await self.store.containers.save(record)
