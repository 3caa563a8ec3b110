"""What AWS Lambda has and this server has not."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...web.service import PlainRoute, Service
from .errors import AwsError

# Each operation's path begins with the day on which AWS gave it its form.
DAYS = (
    "/2015-03-31",
    "/2014-11-13",
    "/2016-08-19",
    "/2017-03-31",
    "/2017-10-31",
    "/2018-10-31",
    "/2019-09-25",
    "/2019-09-30",
    "/2020-04-22",
    "/2020-06-30",
    "/2021-07-20",
    "/2021-10-31",
    "/2021-11-15",
    "/2024-08-31",
    "/2025-11-30",
    "/2025-12-01",
    "/2026-07-09",
)
_METHODS = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]


def routes(service: Service) -> APIRouter:
    """The routes of everything else; they come last."""
    router = APIRouter(route_class=PlainRoute, include_in_schema=False)

    async def refuse(request: Request, rest: str) -> Response:
        """Say that this is not here."""
        raise AwsError(
            "NotImplemented",
            501,
            f"insitu does not have {request.method} {request.url.path[:200]} of AWS Lambda's API",
            hint="docs/aws-lambda.md lists what it has",
        )

    for day in DAYS:
        router.add_api_route(f"{day}/{{rest:path}}", refuse, methods=_METHODS)
    return router
