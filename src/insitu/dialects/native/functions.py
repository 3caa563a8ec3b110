"""The routes of stored functions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...engine.calling import MOST_BYTES
from ...errors import NotFound
from ...heavy import heavy
from ...store import Page
from ...types import MIB, DeployedFunction, FunctionRevision, Invocation
from ...web.encoding import dumps
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of
from ...web.sse import EventStream, encode
from ...web.wire import DESCRIPTION_BYTES, INLINE_BYTES, body_of, json_answer
from .function_models import (
    AliasRequest,
    DeployRequest,
    FunctionList,
    InvocationList,
    InvocationQuery,
    InvokeRequest,
    LogQuery,
    NameQuery,
    QualifierQuery,
    VersionList,
    VersionQuery,
)
from .reading import read_json

_STREAM = (
    "With `stream`: events `started`, `stdout`, `stderr`, `result` and last `finished`, which carries the whole"
    " invocation. Comments keep a silent stream alive."
)


def routes(service: Service) -> APIRouter:
    """The routes of stored functions."""
    router = APIRouter(tags=["functions"])
    # The busiest of them, by the shortest way.
    router.include_router(_invoke_route(service))
    router.include_router(_deploying(service))
    router.include_router(_reading(service))
    router.include_router(_following(service))
    return router


def _invoke_route(service: Service) -> APIRouter:
    router = APIRouter(route_class=PlainRoute, prefix="/v1/functions")
    declared = answers(Invocation, text="The invocation, whatever its outcome.")
    declared["responses"][202] = {"description": "Accepted; `location` says where it is told of.", "model": Invocation}

    @router.post("/{name}/invoke", openapi_extra=takes(InvokeRequest), **declared)
    async def invoke_function(request: Request, name: str) -> Response:
        """Call a function, and wait for its end or, with `async`, not."""
        asked = await read_json(request, InvokeRequest, MOST_BYTES + MIB)
        service.check_taking()
        functions, owner = service.functions, owner_of(request)
        given = (owner, name, asked.args, asked.kwargs)
        if asked.background:
            accepted = await functions.submit(*given, qualifier=asked.qualifier)
            place = f"/v1/functions/{name}/invocations/{accepted.id}"
            return json_answer(accepted.to_dict(), 202, {"location": place})
        work = partial(functions.invoke, *given, qualifier=asked.qualifier)
        ended = await service.while_connected(request.receive, work)
        if ended.outcome is not None:
            service.metrics.executions[ended.outcome] += 1
        return json_answer(ended.to_dict())

    return router


def _deploying(service: Service) -> APIRouter:
    router = APIRouter(route_class=PlainRoute, prefix="/v1/functions")
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    @router.put("/{name}", openapi_extra=takes(DeployRequest), **answers(DeployedFunction, 201, "Deployed."))
    async def deploy_function(request: Request, name: str) -> Response:
        """Deploy a function: all of it is there then, or nothing. What is there already is not deployed again."""
        asked = await read_json(request, DeployRequest, cap)
        functions, owner = service.functions, owner_of(request)
        size = body_of(request).size
        body_of(request).add(size)  # for the code beside the text in which it came
        spec = await heavy(size, asked.spec, service.settings)
        revision = await functions.deploy(owner, name, spec, publish=asked.publish)
        return await _deployed(service, owner, revision, 201)

    @router.post("/{name}/publish", **answers(DeployedFunction, 201, "Published."))
    async def publish_function(request: Request, name: str) -> Response:
        """Make a version of the newest revision."""
        owner = owner_of(request)
        return await _deployed(service, owner, await service.functions.publish(owner, name), 201)

    @router.put("/{name}/aliases/{alias}", openapi_extra=takes(AliasRequest), **answers(DeployedFunction))
    async def set_alias(request: Request, name: str, alias: str) -> Response:
        """Have an alias name a version."""
        asked = await read_json(request, AliasRequest, DESCRIPTION_BYTES)
        functions, owner = service.functions, owner_of(request)
        await functions.set_alias(owner, name, alias, asked.version)
        info = await functions.get(owner, name)
        return json_answer(DeployedFunction.of(info.latest, info).to_dict())

    @router.delete("/{name}/aliases/{alias}", **answers(None, 204))
    async def delete_alias(request: Request, name: str, alias: str) -> Response:
        """Delete an alias."""
        await service.functions.delete_alias(owner_of(request), name, alias)
        return Response(status_code=204)

    return router


def _reading(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/functions")

    @router.get("", **answers(FunctionList))
    async def list_functions(request: Request, query: Annotated[NameQuery, Query()]) -> Response:
        """The caller's functions, by their names."""
        found = await service.functions.list(owner_of(request), Page(query.limit, query.after))
        functions = [DeployedFunction.of(info.latest, info).to_dict() for info in found.data]
        return json_answer({"functions": functions, "has_more": found.has_more})

    @router.get("/{name}", **answers(DeployedFunction))
    async def get_function(request: Request, name: str, query: Annotated[QualifierQuery, Query()]) -> Response:
        """A function: its newest revision, or the one that the qualifier names."""
        owner = owner_of(request)
        return await _deployed(service, owner, await service.functions.find(owner, name, query.qualifier))

    @router.delete("/{name}", **answers(None, 204))
    async def delete_function(request: Request, name: str, query: Annotated[QualifierQuery, Query()]) -> Response:
        """Delete a function, or the version that the qualifier names; what runs goes on to its end."""
        await service.functions.delete(owner_of(request), name, query.qualifier)
        return Response(status_code=204)

    @router.get("/{name}/versions", **answers(VersionList))
    async def list_versions(request: Request, name: str, query: Annotated[VersionQuery, Query()]) -> Response:
        """The versions of a function, the oldest first."""
        functions, owner = service.functions, owner_of(request)
        info = await functions.get(owner, name)
        found = await functions.versions(owner, name, Page(query.limit, str(query.after)))
        versions = [DeployedFunction.of(each, info).to_dict() for each in found.data]
        return json_answer({"versions": versions, "has_more": found.has_more})

    return router


def _following(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/functions")

    @router.get("/{name}/invocations", **answers(InvocationList))
    async def list_invocations(request: Request, name: str, query: Annotated[LogQuery, Query()]) -> Response:
        """The last invocations that have ended, the newest first, without what they returned."""
        ended = await service.functions.logs(owner_of(request), name, Page(query.limit, query.after))
        return json_answer({"invocations": [each.to_dict() for each in ended.data], "has_more": ended.has_more})

    declared = answers(Invocation)
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": _STREAM}}}

    @router.get("/{name}/invocations/{id}", **declared)
    async def get_invocation(
        request: Request, name: str, id: str, query: Annotated[InvocationQuery, Query()]
    ) -> Response:
        """What has become of an invocation."""
        functions, owner = service.functions, owner_of(request)
        found = await functions.invocation(owner, id)
        if found.function != name:
            raise NotFound(f"the function {name!r} has no invocation {id!r}")
        return EventStream(service, _events(service, owner, id)) if query.stream else json_answer(found.to_dict())

    return router


async def _deployed(service: Service, owner: str, revision: FunctionRevision, status: int = 200) -> Response:
    info = await service.functions.get(owner, revision.name)
    return json_answer(DeployedFunction.of(revision, info).to_dict(), status)


async def _events(service: Service, owner: str, id: str) -> AsyncIterator[bytes]:
    seq = 0
    async with aclosing(service.functions.events(owner, id)) as events:
        async for kind, data in events:
            yield encode(kind, dumps(data), seq)
            seq += 1
