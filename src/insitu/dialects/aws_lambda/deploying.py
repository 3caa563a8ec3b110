"""The routes that deploy functions, and change, publish and delete them."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...functions import FunctionRevision
from ...web.service import Service, owner_of
from ...web.wire import DESCRIPTION_BYTES, json_answer
from .asked import CreateFunction, PublishVersion, UpdateCode, UpdateConfiguration, read_asked
from .changes import Changes
from .deployment import Deployment, check_architectures
from .errors import invalid
from .names import LATEST, Named, named, new_name
from .packages import ZIPPED_BYTES
from .routing import router_of
from .shown import Shown

# A package as base64, and what is said of it.
_REQUEST_BYTES = ZIPPED_BYTES * 4 // 3 + DESCRIPTION_BYTES


def routes(service: Service) -> APIRouter:
    """The routes that deploy functions, and change, publish and delete them."""
    deploying = _Deploying(service)
    return router_of(
        ("POST", "", deploying.create),
        ("POST", "/", deploying.create),
        ("PUT", "/{name}/code", deploying.update_code),
        ("PUT", "/{name}/configuration", deploying.update_configuration),
        ("POST", "/{name}/versions", deploying.publish_version),
        ("DELETE", "/{name}", deploying.delete),
    )


class _Deploying:
    """What each of the routes does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._changes = Changes(service)
        self._cap = min(service.settings.upload_bytes, _REQUEST_BYTES)

    async def create(self, request: Request) -> Response:
        """CreateFunction."""
        asked = await read_asked(request, CreateFunction, self._cap)
        place = new_name(request, asked.function_name)
        self._service.check_taking()
        deployment = Deployment.new(asked, await self._changes.package(request, asked.code))
        async with self._changes.alone(request, place):
            revision = await self._changes.deploy(request, place, deployment, new=True, publish=asked.publish)
        return self._made(place, revision, asked.publish, 201)

    async def update_code(self, request: Request, name: str) -> Response:
        """UpdateFunctionCode."""
        asked = await read_asked(request, UpdateCode, self._cap)
        place = named(request, name)
        check_architectures(asked.architectures)
        self._service.check_taking()
        package = await self._changes.package(request, asked)
        async with self._changes.alone(request, place):
            newest = await self._changes.newest(request, place, asked.revision_id)
            if asked.dry_run:
                return self._made(place, newest, published=False)
            changed = replace(Deployment.of(newest.spec), package=package)
            revision = await self._changes.deploy(request, place, changed, new=False, publish=asked.publish)
        return self._made(place, revision, asked.publish)

    async def update_configuration(self, request: Request, name: str) -> Response:
        """UpdateFunctionConfiguration."""
        asked = await read_asked(request, UpdateConfiguration, DESCRIPTION_BYTES)
        place = named(request, name)
        async with self._changes.alone(request, place):
            revision = await self._changes.configure(request, place, asked, publish=False)
        return self._made(place, revision, published=False)

    async def publish_version(self, request: Request, name: str) -> Response:
        """PublishVersion."""
        asked = await read_asked(request, PublishVersion, DESCRIPTION_BYTES)
        place = named(request, name)
        async with self._changes.alone(request, place):
            revision = await self._changes.publish(request, place, asked)
        return self._made(place, revision, published=True, status=201)

    async def delete(self, request: Request, name: str) -> Response:
        """DeleteFunction."""
        place = named(request, name)
        if place.qualifier == LATEST:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")
        if place.qualifier and place.number is None:
            raise invalid(
                f"Qualifier is {place.qualifier!r}; a version is deleted by its number, an alias by DeleteAlias"
            )
        await self._service.functions.delete(owner_of(request), place.name, place.qualifier)
        return json_answer({})

    def _made(self, place: Named, revision: FunctionRevision, published: bool, status: int = 200) -> Response:
        version = revision.version if published else None
        qualifier = str(version) if version is not None else None
        shown = Shown.of(self._service).configuration(place, revision, qualifier, version)
        return json_answer(shown, status)
