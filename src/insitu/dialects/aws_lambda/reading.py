"""The routes that show functions and their versions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import NotFound
from ...functions import FunctionInfo, FunctionRevision
from ...store import Page
from ...web.service import PlainRoute, Service, owner_of
from ...web.wire import json_answer
from .deploying import ROOT
from .deployment import own_files
from .errors import invalid
from .names import LATEST, Named, named, region_of
from .packages import write_zip
from .paging import MOST, Key, marker_of, page
from .shown import Shown


def routes(service: Service) -> APIRouter:
    """The routes that show functions and their versions."""
    router = APIRouter(route_class=PlainRoute, prefix=ROOT, include_in_schema=False)

    @router.get("")
    @router.get("/")
    async def list_lambdas(request: Request) -> Response:
        """ListFunctions."""
        if request.query_params.get("FunctionVersion", "ALL") != "ALL":
            raise invalid("FunctionVersion must be ALL, or be left out")
        every = "FunctionVersion" in request.query_params
        infos, more = await _listed(service, request, every)
        entries = [(key, (info, key[1])) for info in infos for key in _keys(info, every)]
        shown, marker = page(entries, request.query_params, more=more)
        functions = [await _entry(service, request, info, version) for info, version in shown]
        return json_answer({"Functions": [each for each in functions if each], **marker})

    @router.get("/{name}")
    async def get_lambda(request: Request, name: str) -> Response:
        """GetFunction."""
        place = named(request, name)
        revision = await _revision(service, request, place)
        deployment = _shown(service).deployment(revision)
        answer: dict[str, Any] = {
            "Configuration": _configuration(service, place, revision),
            "Code": {"RepositoryType": "insitu", "Location": _location(request, place)},
        }
        if deployment.tags:
            answer["Tags"] = dict(deployment.tags)
        return json_answer(answer)

    @router.get("/{name}/configuration")
    async def get_lambda_configuration(request: Request, name: str) -> Response:
        """GetFunctionConfiguration."""
        place = named(request, name)
        return json_answer(_configuration(service, place, await _revision(service, request, place)))

    @router.get("/{name}/code")
    async def get_lambda_code(request: Request, name: str) -> Response:
        """Where GetFunction says that the code is; of insitu's own making."""
        place = named(request, name)
        revision = await service.functions.revision(owner_of(request), place.name, place.qualifier)
        return Response(write_zip(own_files(revision.spec)), media_type="application/zip")

    @router.get("/{name}/versions")
    async def list_lambda_versions(request: Request, name: str) -> Response:
        """ListVersionsByFunction."""
        place = named(request, name)
        info = await service.functions.get(owner_of(request), place.name)
        entries = [(key, (info, key[1])) for key in _keys(info, every=True)]
        shown, marker = page(entries, request.query_params)
        versions = [await _entry(service, request, info, version) for _, version in shown]
        return json_answer({"Versions": [each for each in versions if each], **marker})

    return router


async def _listed(service: Service, request: Request, every: bool) -> tuple[list[FunctionInfo], bool]:
    """The functions that a page may have in it, and whether there are more behind them."""
    after, owner = marker_of(request.query_params), owner_of(request)
    found = await service.functions.list(owner, Page(MOST, after[0] if after else None))
    if not (after and every):
        return found.data, found.has_more
    try:
        # Of the one that the page before broke off in, there may be more versions.
        return [await service.functions.get(owner, after[0]), *found.data], found.has_more
    except NotFound:
        return found.data, found.has_more


def _keys(info: FunctionInfo, every: bool) -> list[Key]:
    return [(info.name, version) for version in (0, *(info.versions if every else ()))]


async def _entry(service: Service, request: Request, info: FunctionInfo, version: int) -> dict[str, Any] | None:
    """A function or a version of it in a list; None if it has been deleted meanwhile."""
    place = Named(info.name, None, region_of(request))
    if not version:
        return _shown(service).configuration(place, info.latest)
    try:
        revision = await service.functions.find(owner_of(request), info.name, str(version))
    except NotFound:
        return None
    return _shown(service).configuration(place, revision, str(version), version)


async def _revision(service: Service, request: Request, place: Named) -> FunctionRevision:
    return await service.functions.find(owner_of(request), place.name, place.qualifier)


def _configuration(service: Service, place: Named, revision: FunctionRevision) -> dict[str, Any]:
    newest = place.qualifier in (None, LATEST)
    return _shown(service).configuration(place, revision, place.qualifier, None if newest else revision.version)


def _location(request: Request, place: Named) -> str:
    query = f"?{urlencode({'Qualifier': place.qualifier})}" if place.qualifier else ""
    return f"{str(request.base_url).rstrip('/')}{ROOT}/{quote(place.name)}/code{query}"


def _shown(service: Service) -> Shown:
    return Shown(service.settings, service.engine.environments())
