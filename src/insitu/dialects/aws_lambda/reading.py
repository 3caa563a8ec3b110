"""The routes that show functions and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...errors import NotFound
from ...functions import FunctionInfo, FunctionRevision
from ...store import Page
from ...web.service import Service, owner_of
from ...web.wire import json_answer
from .deployment import own_files
from .errors import invalid
from .names import LATEST, Named, named, region_of
from .packages import zipped
from .paging import Key, marker_of, page, size_of
from .routing import ROOT, router_of
from .shown import Shown


def routes(service: Service) -> APIRouter:
    """The routes that show functions and their versions."""
    reading = _Reading(service)
    return router_of(
        ("GET", "", reading.list),
        ("GET", "/", reading.list),
        ("GET", "/{name}", reading.get),
        ("GET", "/{name}/configuration", reading.configuration),
        ("GET", "/{name}/code", reading.code),
        ("GET", "/{name}/versions", reading.versions),
    )


class _Reading:
    """What each of the routes does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list(self, request: Request) -> Response:
        """ListFunctions."""
        if request.query_params.get("FunctionVersion", "ALL") != "ALL":
            raise invalid("FunctionVersion must be ALL, or be left out")
        every = "FunctionVersion" in request.query_params
        infos, more = await self._listed(request, every)
        entries = [(key, (info, key[1])) for info in infos for key in _keys(info, every)]
        shown, marker = page(entries, request.query_params, more=more)
        functions = [await self._entry(request, info, version) for info, version in shown]
        return json_answer({"Functions": [each for each in functions if each], **marker})

    async def get(self, request: Request, name: str) -> Response:
        """GetFunction."""
        place = named(request, name)
        revision = await self._find(request, place)
        answer: dict[str, Any] = {
            "Configuration": self._configuration(place, revision),
            "Code": {"RepositoryType": "insitu", "Location": _location(request, place)},
        }
        if tags := Shown.of(self._service).deployment(revision).tags:
            answer["Tags"] = dict(tags)
        return json_answer(answer)

    async def configuration(self, request: Request, name: str) -> Response:
        """GetFunctionConfiguration."""
        place = named(request, name)
        return json_answer(self._configuration(place, await self._find(request, place)))

    async def code(self, request: Request, name: str) -> Response:
        """Where GetFunction says that the code is; of insitu's own making."""
        place = named(request, name)
        revision, files = await self._service.functions.code(owner_of(request), place.name, place.qualifier)
        own = own_files(revision.spec)
        chunks = zipped(file for file in files if file.path in own)
        return StreamingResponse(chunks, media_type="application/zip")

    async def versions(self, request: Request, name: str) -> Response:
        """ListVersionsByFunction."""
        place = named(request, name)
        info = await self._service.functions.get(owner_of(request), place.name)
        entries = [(key, key[1]) for key in _keys(info, every=True)]
        shown, marker = page(entries, request.query_params)
        versions = [await self._entry(request, info, version) for version in shown]
        return json_answer({"Versions": [each for each in versions if each], **marker})

    async def _listed(self, request: Request, every: bool) -> tuple[Sequence[FunctionInfo], bool]:
        """The functions that a page may have in it, and whether there are more behind them."""
        query, owner = request.query_params, owner_of(request)
        after = marker_of(query)
        found = await self._service.functions.list(owner, Page(size_of(query), after[0] if after else None))
        if not (after and every):
            return found.data, found.has_more
        try:
            # Of the one that the page before broke off in, there may be more versions.
            return [await self._service.functions.get(owner, after[0]), *found.data], found.has_more
        except NotFound:
            return found.data, found.has_more

    async def _entry(self, request: Request, info: FunctionInfo, version: int) -> dict[str, Any] | None:
        """A function or a version of it in a list; None if it has been deleted meanwhile."""
        place, shown = Named(info.name, None, region_of(request)), Shown.of(self._service)
        if not version:
            return shown.configuration(place, info.latest)
        try:
            revision = await self._service.functions.find(owner_of(request), info.name, str(version))
        except NotFound:
            return None
        return shown.configuration(place, revision, str(version), version)

    async def _find(self, request: Request, place: Named) -> FunctionRevision:
        return await self._service.functions.find(owner_of(request), place.name, place.qualifier)

    def _configuration(self, place: Named, revision: FunctionRevision) -> dict[str, Any]:
        version = None if place.qualifier in (None, LATEST) else revision.version
        return Shown.of(self._service).configuration(place, revision, place.qualifier, version)


def _keys(info: FunctionInfo, every: bool) -> list[Key]:
    return [(info.name, version) for version in (0, *(info.versions if every else ()))]


def _location(request: Request, place: Named) -> str:
    query = f"?{urlencode({'Qualifier': place.qualifier})}" if place.qualifier else ""
    return f"{str(request.base_url).rstrip('/')}{ROOT}/{quote(place.name)}/code{query}"
