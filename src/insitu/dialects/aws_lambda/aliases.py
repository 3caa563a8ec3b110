"""The routes of aliases."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...web.service import PlainRoute, Service, owner_of
from ...web.wire import DESCRIPTION_BYTES, json_answer
from . import shown
from .asked import CreateAlias, UpdateAlias, read_asked
from .deploying import ROOT
from .errors import changed_meanwhile, conflict, invalid, missing
from .names import Named, named, new_alias
from .paging import page


def routes(service: Service) -> APIRouter:
    """The routes of aliases."""
    router = APIRouter(route_class=PlainRoute, prefix=f"{ROOT}/{{name}}/aliases", include_in_schema=False)

    @router.post("")
    async def create_lambda_alias(request: Request, name: str) -> Response:
        """CreateAlias."""
        asked = await read_asked(request, CreateAlias, DESCRIPTION_BYTES)
        place, alias, version = named(request, name), new_alias(asked.name), _number(asked.function_version)
        if alias in await _aliases(service, request, place):
            raise conflict(f"Alias already exists: {place.arn(alias)}")
        await service.functions.set_alias(owner_of(request), place.name, alias, version)
        return json_answer(shown.alias(place, alias, version), 201)

    @router.get("")
    async def list_lambda_aliases(request: Request, name: str) -> Response:
        """ListAliases."""
        place = named(request, name)
        wanted = request.query_params.get("FunctionVersion")
        aliases = await _aliases(service, request, place)
        entries = [
            ((alias, 0), shown.alias(place, alias, version))
            for alias, version in aliases.items()
            if wanted in (None, str(version))
        ]
        found, marker = page(entries, request.query_params)
        return json_answer({"Aliases": found, **marker})

    @router.get("/{alias}")
    async def get_lambda_alias(request: Request, name: str, alias: str) -> Response:
        """GetAlias."""
        place = named(request, name)
        return json_answer(shown.alias(place, alias, await _version(service, request, place, alias)))

    @router.put("/{alias}")
    async def update_lambda_alias(request: Request, name: str, alias: str) -> Response:
        """UpdateAlias."""
        asked = await read_asked(request, UpdateAlias, DESCRIPTION_BYTES)
        place = named(request, name)
        version = await _version(service, request, place, alias)
        known = shown.alias(place, alias, version)["RevisionId"]
        if asked.revision_id not in (None, known):
            raise changed_meanwhile(known)
        if asked.function_version is not None:
            version = _number(asked.function_version)
            await service.functions.set_alias(owner_of(request), place.name, alias, version)
        return json_answer(shown.alias(place, alias, version))

    @router.delete("/{alias}")
    async def delete_lambda_alias(request: Request, name: str, alias: str) -> Response:
        """DeleteAlias; one that is not there is gone already."""
        place = named(request, name)
        if alias in await _aliases(service, request, place):
            await service.functions.delete_alias(owner_of(request), place.name, alias)
        return Response(status_code=204)

    return router


async def _aliases(service: Service, request: Request, place: Named) -> Mapping[str, int]:
    return (await service.functions.get(owner_of(request), place.name)).aliases


async def _version(service: Service, request: Request, place: Named, alias: str) -> int:
    aliases = await _aliases(service, request, place)
    if alias not in aliases:
        raise missing(f"Cannot find alias arn: {place.arn(alias[:128])}")
    return aliases[alias]


def _number(version: str) -> int:
    if not version.isdecimal() or len(version) > 9:
        raise invalid(
            f"FunctionVersion is {version[:100]!r}; an alias names a published version by its number",
            hint="publish one by PublishVersion",
        )
    return int(version)
