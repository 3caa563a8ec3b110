"""Changes of functions for AWS's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from weakref import WeakValueDictionary

import anyio
from starlette.requests import Request

from ...errors import QuotaExceeded, TooLarge
from ...functions import FunctionRevision
from ...heavy import heavy
from ...web.service import Service, owner_of
from ...web.wire import body_of
from .asked import Code, PublishVersion, UpdateConfiguration
from .deployment import Deployment, Package
from .errors import AwsError, changed_meanwhile, invalid
from .names import LATEST, Named
from .packages import Zip
from .shown import Shown, revision_id


class Changes:
    """Changes functions: one change of a function after the other, since each goes on from the last."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._locks: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, request: Request, place: Named) -> AsyncIterator[None]:
        """Let nobody else change this function meanwhile."""
        lock = self._locks.setdefault((owner_of(request), place.name), anyio.Lock())
        async with lock:
            yield

    async def package(self, request: Request, asked: Code) -> Package:
        """What was uploaded; it is held until the answer, beside the body that it came in.

        Raises:
            AwsError: if that is nothing that can be deployed.
            ServerFull: if requests hold too much already.
        """
        if asked.zip_file is None:
            raise invalid("the code is missing; send it as ZipFile")
        uploaded = await heavy(len(asked.zip_file), Zip.of_base64, asked.zip_file)
        size = len(uploaded.content) + uploaded.unzipped
        body_of(request).add(size)
        return await heavy(size, Package.of, uploaded)

    async def newest(self, request: Request, place: Named, known: str | None) -> FunctionRevision:
        """The newest revision, its files without their contents.

        Args:
            known: the one that the caller knows to be that.

        Raises:
            AwsError: if it is not, or the request names a version, which never changes.
        """
        if place.qualifier not in (None, LATEST):
            raise invalid("a version never changes; leave the qualifier out")
        revision = await self._service.functions.find(owner_of(request), place.name)
        if known is not None and known != revision_id(revision):
            raise changed_meanwhile(revision_id(revision))
        return revision

    async def configure(
        self, request: Request, place: Named, asked: UpdateConfiguration, *, publish: bool
    ) -> FunctionRevision:
        """Deploy the newest revision again, with what a request says of it.

        Raises:
            AwsError: as of :meth:`newest` and :meth:`deploy`.
            ServerFull: if requests hold too much already.
        """
        newest = await self.newest(request, place, asked.revision_id)
        body_of(request).add(newest.code_size)  # its files are part of the next one
        whole = await self._service.functions.revision(owner_of(request), place.name)
        changed = Deployment.of(whole.spec).configured(asked)
        return await self.deploy(request, place, changed, new=False, publish=publish)

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
        """Make a version of the newest revision, if it is none yet.

        Raises:
            AwsError: if it is not the one that the request expects.
        """
        newest = await self.newest(request, place, asked.revision_id)
        shown = Shown.of(self._service).deployment(newest)
        if asked.code_sha256 is not None and asked.code_sha256 != shown.package.sha256:
            raise invalid(
                f"CodeSHA256 ({asked.code_sha256[:100]}) is different from current CodeSHA256 in $LATEST"
                f" ({shown.package.sha256}). Please try again with the CodeSHA256 in $LATEST."
            )
        if newest.version is None and asked.description not in (None, shown.description):
            described = UpdateConfiguration.model_validate({"Description": asked.description})
            return await self.configure(request, place, described, publish=True)
        return await self._service.functions.publish(owner_of(request), place.name, newest.revision)
