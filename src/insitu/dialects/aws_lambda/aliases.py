"""The routes of aliases."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import Conflict
from ...web.service import Service, owner_of
from ...web.wire import DESCRIPTION_BYTES, json_answer
from . import shown
from .asked import CreateAlias, UpdateAlias, read_asked
from .errors import changed_meanwhile, conflict, invalid, missing
from .names import Named, named, new_alias
from .paging import page
from .routing import router_of


def routes(service: Service) -> APIRouter:
    """The routes of aliases."""
    aliases, root = _Aliases(service), "/{name}/aliases"
    return router_of(
        ("POST", root, aliases.create),
        ("GET", root, aliases.list),
        ("GET", f"{root}/{{alias}}", aliases.get),
        ("PUT", f"{root}/{{alias}}", aliases.update),
        ("DELETE", f"{root}/{{alias}}", aliases.delete),
    )


class _Aliases:
    """What each of the routes does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def create(self, request: Request, name: str) -> Response:
        """CreateAlias."""
        asked = await read_asked(request, CreateAlias, DESCRIPTION_BYTES)
        place, alias, version = named(request, name), new_alias(asked.name), _number(asked.function_version)
        try:
            await self._service.functions.set_alias(owner_of(request), place.name, alias, version, new=True)
        except Conflict:
            raise conflict(f"Alias already exists: {place.arn(alias)}") from None
        return json_answer(shown.alias(place, alias, version), 201)

    async def list(self, request: Request, name: str) -> Response:
        """ListAliases."""
        place = named(request, name)
        wanted = request.query_params.get("FunctionVersion")
        entries = [
            ((alias, 0), shown.alias(place, alias, version))
            for alias, version in (await self._all(request, place)).items()
            if wanted in (None, str(version))
        ]
        found, marker = page(entries, request.query_params)
        return json_answer({"Aliases": found, **marker})

    async def get(self, request: Request, name: str, alias: str) -> Response:
        """GetAlias."""
        place = named(request, name)
        return json_answer(shown.alias(place, alias, await self._version(request, place, alias)))

    async def update(self, request: Request, name: str, alias: str) -> Response:
        """UpdateAlias."""
        asked = await read_asked(request, UpdateAlias, DESCRIPTION_BYTES)
        place = named(request, name)
        version = await self._version(request, place, alias)
        known = shown.alias(place, alias, version)["RevisionId"]
        if asked.revision_id not in (None, known):
            raise changed_meanwhile(known)
        if asked.function_version is not None:
            version = _number(asked.function_version)
            await self._service.functions.set_alias(owner_of(request), place.name, alias, version)
        return json_answer(shown.alias(place, alias, version))

    async def delete(self, request: Request, name: str, alias: str) -> Response:
        """DeleteAlias; one that is not there is gone already."""
        place = named(request, name)
        if alias in await self._all(request, place):
            await self._service.functions.delete_alias(owner_of(request), place.name, alias)
        return Response(status_code=204)

    async def _all(self, request: Request, place: Named) -> Mapping[str, int]:
        return (await self._service.functions.get(owner_of(request), place.name)).aliases

    async def _version(self, request: Request, place: Named, alias: str) -> int:
        aliases = await self._all(request, place)
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
