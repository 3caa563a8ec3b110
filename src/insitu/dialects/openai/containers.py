"""Containers: sessions with an id that conversations and requests can name."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...errors import OverCeiling
from ...settings import Settings
from ...turn.container import Container
from ...turn.containers import DEFAULT_EXPIRY_S
from ...web.fields import Strict
from ...web.openapi import takes
from ...web.parameters import BadParameter
from ...web.places import check_files
from ...web.service import Service, owner_of
from ...web.shapes import Json
from ...web.wire import DESCRIPTION_BYTES, json_answer, read_json
from .description import answers
from .paging import Deleted, ListObject, PageQuery, listed
from .places import MEMORY, memory_bytes, refuse_unsupported, under_ceiling

_SIZES = {size: name for name, size in MEMORY.items()}


class Expiry(Strict):
    """When a container expires: so many minutes after it was last used."""

    anchor: Literal["last_active_at"]
    minutes: int = Field(ge=1)


class CreateContainer(Strict):
    """A container to make."""

    name: str = Field(min_length=1, max_length=256)
    expires_after: Expiry | None = None
    file_ids: list[str] | None = Field(None, max_length=1000, description="files to put into it first")
    memory_limit: str | None = Field(None, description="1g, 4g, 16g or 64g; the operator has a ceiling")
    network_policy: Json | None = Field(None, description="there is no network: `disabled`, or left out")
    skills: list[Any] | None = Field(None, description="not supported")


class ContainersQuery(PageQuery):
    """Which of the containers are asked for."""

    name: str | None = Field(None, max_length=256, description="only those of this name")


class ContainerObject(BaseModel):
    """A container."""

    id: str
    object: Literal["container"]
    created_at: int
    status: Literal["running", "expired"]
    expires_after: Expiry
    last_active_at: int
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None = Field(description="null: another one of the operator's")
    name: str
    network_policy: dict[str, str]


def routes(service: Service) -> APIRouter:
    """The routes of containers."""
    router = APIRouter(prefix="/v1/containers", tags=["openai"])

    @router.post("", openapi_extra=takes(CreateContainer), **answers(ContainerObject))
    async def create_container(request: Request) -> Response:
        """Make a container; its sandbox is made when it is first needed."""
        asked = await read_json(request, CreateContainer, DESCRIPTION_BYTES)
        container = await _create(service, asked, owner_of(request))
        return json_answer(_shown(container))

    @router.get("", **answers(ListObject[ContainerObject]))
    async def list_containers(request: Request, query: Annotated[ContainersQuery, Query()]) -> Response:
        """The containers, expired ones too."""
        found, more = await service.turns.containers.list(owner_of(request), query.page, query.name)
        return json_answer(listed([_shown(container) for container in found], has_more=more))

    @router.get("/{container_id}", **answers(ContainerObject))
    async def retrieve_container(request: Request, container_id: str) -> Response:
        """One container."""
        return json_answer(_shown(await service.turns.containers.get(container_id, owner_of(request))))

    @router.delete("/{container_id}", **answers(Deleted))
    async def delete_container(request: Request, container_id: str) -> Response:
        """End a container, with its files and all that is kept of them."""
        container = await service.turns.containers.get(container_id, owner_of(request))
        await container.delete()
        return json_answer({"id": container_id, "object": "container.deleted", "deleted": True})

    return router


async def _create(service: Service, asked: CreateContainer, owner: str) -> Container:
    refuse_unsupported(asked.network_policy, asked.skills)
    memory = memory_bytes(asked.memory_limit, "memory_limit")
    expires_after_s = _expiry(asked.expires_after, service.settings)
    file_ids = tuple(dict.fromkeys(asked.file_ids or ()))
    await check_files(service, owner, file_ids)
    with under_ceiling("memory_limit"):
        container = service.turns.containers.new(
            owner, name=asked.name, expires_after_s=expires_after_s, memory_bytes=memory, file_ids=file_ids
        )
    await container.save()
    return container


def _expiry(asked: Expiry | None, settings: Settings) -> float:
    ceiling = settings.max_idle_timeout_s
    if asked is None:
        return min(DEFAULT_EXPIRY_S, ceiling)
    if asked.minutes * 60 > ceiling:
        raise BadParameter(
            "expires_after.minutes",
            f"expires_after.minutes is {asked.minutes}, over this server's ceiling of {ceiling / 60:g}",
            hint="ask for less, or have the operator raise max_idle_timeout_s",
            code=OverCeiling.code,
        )
    return asked.minutes * 60.0


def _shown(container: Container) -> Json:
    record = container.record
    return {
        "id": container.id,
        "object": "container",
        "created_at": int(record.created),
        "status": "expired" if container.expired and not container.elsewhere else "running",
        "expires_after": {"anchor": "last_active_at", "minutes": math.ceil(record.expires_after_s / 60)},
        "last_active_at": int(container.last_active),
        "memory_limit": _SIZES.get(container.limits.memory_bytes),
        "name": record.name,
        "network_policy": {"type": "disabled"},
    }
