"""The route that invokes functions."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...functions import FunctionRevision, Invocation
from ...heavy import heavy
from ...types import MIB
from ...web.encoding import dumps
from ...web.service import Service, owner_of
from ...web.wire import read_bytes
from .deployment import is_lambda
from .errors import AwsError, aws_request_id, invalid
from .names import LATEST, Named, named
from .outcome import failure, log_tail, payload
from .routing import router_of
from .shown import Shown

_WAITED, _EVENT, _DRY_RUN = "RequestResponse", "Event", "DryRun"
_MOST_BYTES = {_WAITED: 6 * MIB, _DRY_RUN: 6 * MIB, _EVENT: MIB}
_MOST_CONTEXT = 3583
_PLAIN_BYTES = 256 * 1024
# Headers that ask for what is not here.
_UNSUPPORTED = {"x-amz-durable-execution-name": "DurableExecutionName", "x-amz-tenant-id": "TenantId"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """An invocation that is asked for."""

    place: Named
    kind: str
    tail: bool
    client_context: str | None
    event: bytes
    request_id: str


def routes(service: Service) -> APIRouter:
    """The route that invokes functions."""
    return router_of(("POST", "/{name}/invocations", _Invoking(service).invoke))


class _Invoking:
    """What the route does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def invoke(self, request: Request, name: str) -> Response:
        """Invoke."""
        asked = await _read(request, name)
        self._service.check_taking()
        owner, functions, qualifier = owner_of(request), self._service.functions, asked.place.qualifier
        revision = await functions.find(owner, asked.place.name, qualifier)
        if asked.kind == _DRY_RUN:
            return Response(status_code=204, headers=_headers(asked, revision))
        args, kwargs = await heavy(len(asked.event), _arguments, asked, revision)
        if asked.kind == _EVENT:
            accepted = await functions.submit(owner, asked.place.name, args, kwargs, qualifier=qualifier)
            return Response(status_code=202, headers={**_headers(asked, revision), **_id(accepted)})
        work = partial(functions.invoke, owner, asked.place.name, args, kwargs, qualifier=qualifier)
        return self._answer(asked, revision, await self._service.while_connected(request.receive, work))

    def _answer(self, asked: _Asked, revision: FunctionRevision, invocation: Invocation) -> Response:
        self._service.metrics.executions[invocation.outcome or "crashed"] += 1
        deployment = Shown(self._service.settings, ()).deployment(revision)
        headers = {**_headers(asked, revision), **_id(invocation)}
        if asked.tail:
            version = _version(asked.place, revision)
            headers["x-amz-log-result"] = log_tail(invocation, asked.request_id, version, deployment.memory_size)
        if invocation.ok:
            content = payload(invocation, is_text=is_lambda(revision.spec))
        else:
            headers["x-amz-function-error"] = "Unhandled"
            content = dumps(failure(invocation, asked.request_id, deployment.timeout))
        return Response(content, headers=headers, media_type="application/json")


async def _read(request: Request, name: str) -> _Asked:
    place = named(request, name)
    for header, field in _UNSUPPORTED.items():
        if header in request.headers:
            raise invalid(f"{field} is not supported by insitu", hint="see docs/aws-lambda.md; leave it out")
    kind = _one_of(request, "x-amz-invocation-type", "InvocationType", (_WAITED, _EVENT, _DRY_RUN))
    return _Asked(
        place=place,
        kind=kind,
        tail=_one_of(request, "x-amz-log-type", "LogType", ("None", "Tail")) == "Tail",
        client_context=_client_context(request.headers.get("x-amz-client-context")),
        event=_checked(await read_bytes(request, _MOST_BYTES[kind])),
        request_id=aws_request_id(request.scope["insitu.request_id"]),
    )


def _one_of(request: Request, header: str, field: str, values: Sequence[str]) -> str:
    """What a header says; without it, the first of its values."""
    value = request.headers.get(header, values[0])
    if value not in values:
        raise invalid(f"{field} is {value[:100]!r}; it must be {' or '.join(values)}")
    return value


def _checked(body: bytes) -> bytes:
    event = body or b"{}"
    try:
        orjson.loads(event)
    except orjson.JSONDecodeError as exc:
        raise AwsError(
            "InvalidRequestContentException", 400, f"Could not parse request body into json: {exc}"
        ) from None
    return event


def _client_context(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) > _MOST_CONTEXT:
        raise invalid(f"ClientContext has {len(text)} bytes, over the {_MOST_CONTEXT} that it may have")
    try:
        given = base64.b64decode(text, validate=True)
        known = orjson.loads(given)
    except (binascii.Error, orjson.JSONDecodeError):
        known = given = None
    if given is None or not isinstance(known, dict) or not isinstance(known.get("client"), dict | None):
        raise AwsError(
            "InvalidRequestContentException", 400, "Client context must be a valid Base64-encoded JSON object."
        )
    return given.decode()


def _arguments(asked: _Asked, revision: FunctionRevision) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """What a function is called with: a Lambda's bootstrap takes the event as it is, any other what is in it."""
    if is_lambda(revision.spec):
        call = {
            **_event(asked.event),
            "request_id": asked.request_id,
            "version": _version(asked.place, revision),
            "arn": asked.place.arn(asked.place.qualifier),
            "client_context": asked.client_context,
        }
        return (), {"aws": call}
    event = orjson.loads(asked.event)
    return ((), event) if isinstance(event, dict) else ([event], {})


def _event(event: bytes) -> dict[str, str]:
    if len(event) <= _PLAIN_BYTES:
        return {"payload": event.decode()}
    # As a string in JSON it could be twice as long, and more than a call may have.
    return {"compressed": base64.b64encode(zlib.compress(event, 1)).decode()}


def _headers(asked: _Asked, revision: FunctionRevision) -> dict[str, str]:
    return {"x-amzn-requestid": asked.request_id, "x-amz-executed-version": _version(asked.place, revision)}


def _id(invocation: Invocation) -> dict[str, str]:
    """Under this id insitu's own API knows it."""
    return {"x-insitu-invocation": invocation.id}


def _version(place: Named, revision: FunctionRevision) -> str:
    newest = place.qualifier in (None, LATEST) or revision.version is None
    return LATEST if newest else str(revision.version)
