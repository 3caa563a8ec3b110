"""The routes that deploy functions, and change, publish and delete them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal
from weakref import WeakValueDictionary

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import QuotaExceeded, TooLarge
from ...functions import FunctionRevision
from ...web.service import PlainRoute, Service, owner_of
from ...web.wire import DESCRIPTION_BYTES, body_of, json_answer
from .asked import Code, CreateFunction, PublishVersion, UpdateCode, UpdateConfiguration, read_asked
from .deployment import Deployment, Package, check_architectures
from .errors import AwsError, changed_meanwhile, invalid
from .names import LATEST, Named, named, new_name
from .packages import ZIPPED_BYTES
from .shown import Shown, revision_id

ROOT = "/2015-03-31/functions"
# At once: until it is unpacked, nobody has counted what that takes.
_UNPACKING = 2
# A package as base64, and what is said of it.
_REQUEST_BYTES = ZIPPED_BYTES * 4 // 3 + DESCRIPTION_BYTES


def routes(service: Service) -> APIRouter:
    """The routes that deploy functions, and change, publish and delete them."""
    router = APIRouter(route_class=PlainRoute, prefix=ROOT, include_in_schema=False)
    deploying = Deploying(service)
    cap = min(service.settings.upload_bytes, _REQUEST_BYTES)

    @router.post("")
    @router.post("/")
    async def create_lambda(request: Request) -> Response:
        """CreateFunction."""
        asked = await read_asked(request, CreateFunction, cap)
        place = new_name(request, asked.function_name)
        service.check_taking()
        deployment = Deployment.new(asked, await deploying.package(request, asked.code))
        async with deploying.alone(request, place):
            revision = await deploying.deploy(request, place, deployment, new=True, publish=asked.publish)
        return json_answer(_made(service, place, revision, asked.publish), 201)

    @router.put("/{name}/code")
    async def update_lambda_code(request: Request, name: str) -> Response:
        """UpdateFunctionCode."""
        asked = await read_asked(request, UpdateCode, cap)
        place = named(request, name)
        check_architectures(asked.architectures)
        service.check_taking()
        package = await deploying.package(request, asked)
        async with deploying.alone(request, place):
            current = await deploying.current(request, place, asked.revision_id)
            if asked.dry_run:
                return json_answer(_made(service, place, current, published=False))
            changed = replace(Deployment.of(current.spec), package=package)
            revision = await deploying.deploy(request, place, changed, new=False, publish=asked.publish)
        return json_answer(_made(service, place, revision, asked.publish))

    @router.put("/{name}/configuration")
    async def update_lambda_configuration(request: Request, name: str) -> Response:
        """UpdateFunctionConfiguration."""
        asked = await read_asked(request, UpdateConfiguration, DESCRIPTION_BYTES)
        place = named(request, name)
        async with deploying.alone(request, place):
            current = await deploying.current(request, place, asked.revision_id)
            changed = Deployment.of(current.spec).configured(asked)
            revision = await deploying.deploy(request, place, changed, new=False, publish=False)
        return json_answer(_made(service, place, revision, published=False))

    @router.post("/{name}/versions")
    async def publish_lambda_version(request: Request, name: str) -> Response:
        """PublishVersion."""
        asked = await read_asked(request, PublishVersion, DESCRIPTION_BYTES)
        place = named(request, name)
        async with deploying.alone(request, place):
            revision = await deploying.publish(request, place, asked)
        return json_answer(_made(service, place, revision, published=True), 201)

    @router.delete("/{name}")
    async def delete_lambda(request: Request, name: str) -> Response:
        """DeleteFunction."""
        place = named(request, name)
        if place.qualifier == LATEST:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")
        if place.qualifier and place.number is None:
            raise invalid(
                f"Qualifier is {place.qualifier!r}; a version is deleted by its number, an alias by DeleteAlias"
            )
        await service.functions.delete(owner_of(request), place.name, place.qualifier)
        return json_answer({})

    return router


class Deploying:
    """Deploys for AWS's clients: one change of a function after the other, since each goes on from the last."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._locks: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()
        self._unpacking = anyio.CapacityLimiter(_UNPACKING)

    @asynccontextmanager
    async def alone(self, request: Request, place: Named) -> AsyncIterator[None]:
        """Let nobody else change this function meanwhile."""
        lock = self._locks.setdefault((owner_of(request), place.name), anyio.Lock())
        async with lock:
            yield

    async def package(self, request: Request, asked: Code) -> Package:
        """What was uploaded.

        Raises:
            AwsError: if that is nothing that can be deployed.
            ServerFull: if requests hold too much already.
        """
        package = await run_sync(Package.of, asked, limiter=self._unpacking)
        # Held until the answer, beside the body that it came in.
        body_of(request).grow(body_of(request).size + sum(map(len, package.files.values())))
        return package

    async def current(self, request: Request, place: Named, known: str | None) -> FunctionRevision:
        """The newest revision.

        Args:
            known: the one that the caller knows to be that.

        Raises:
            AwsError: if it is not, or the request names a version, which never changes.
        """
        if place.qualifier not in (None, LATEST):
            raise invalid("a version never changes; leave the qualifier out")
        revision = await self._service.functions.revision(owner_of(request), place.name)
        if known is not None and known != revision_id(revision):
            raise changed_meanwhile(revision_id(revision))
        return revision

    async def deploy(
        self, request: Request, place: Named, deployment: Deployment, *, new: bool, publish: bool
    ) -> FunctionRevision:
        """Make it the newest revision.

        Raises:
            AwsError: if it is too large, the owner would store more than may be, or there is no such Python.
        """
        spec = deployment.spec(place, self._service.settings, self._service.engine.environments())
        only: Literal["new", "existing"] = "new" if new else "existing"
        try:
            return await self._service.functions.deploy(owner_of(request), place.name, spec, publish=publish, only=only)
        except QuotaExceeded as exc:
            raise AwsError("CodeStorageExceededException", 400, exc.message, hint=exc.hint) from None
        except TooLarge as exc:
            raise invalid(exc.message, hint=exc.hint) from None

    async def publish(self, request: Request, place: Named, asked: PublishVersion) -> FunctionRevision:
        """Make a version of the newest revision, if it is none yet."""
        current = await self.current(request, place, asked.revision_id)
        shown = _shown(self._service).deployment(current)
        if asked.code_sha256 is not None and asked.code_sha256 != shown.package.sha256:
            raise invalid(
                f"CodeSHA256 ({asked.code_sha256[:100]}) is different from current CodeSHA256 in $LATEST"
                f" ({shown.package.sha256}). Please try again with the CodeSHA256 in $LATEST."
            )
        if current.version is None and asked.description not in (None, shown.description):
            described = Deployment.of(current.spec).configured(
                UpdateConfiguration.model_validate({"Description": asked.description})
            )
            return await self.deploy(request, place, described, new=False, publish=True)
        return await self._service.functions.publish(owner_of(request), place.name, current.revision)


def _shown(service: Service) -> Shown:
    return Shown(service.settings, service.engine.environments())


def _made(service: Service, place: Named, revision: FunctionRevision, published: bool) -> dict[str, object]:
    version = revision.version if published else None
    qualifier = str(version) if version is not None else None
    return _shown(service).configuration(place, revision, qualifier, version)
