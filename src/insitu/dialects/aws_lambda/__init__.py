"""AWS Lambda's API, as boto3 and AWS's other SDKs speak it, over the functions of this server."""

from __future__ import annotations

from fastapi import APIRouter

from ...web.dialect import Dialect
from ...web.service import Service
from . import aliases, deploying, elsewhere, invoking, reading
from .errors import aws_error


def _routes(service: Service) -> APIRouter:
    router = APIRouter()
    for part in (invoking, reading, deploying, aliases, elsewhere):  # the last takes what no other has
        router.include_router(part.routes(service))
    return router


AWS_LAMBDA = Dialect("aws_lambda", _routes, paths=elsewhere.DAYS, error_answer=aws_error)
