"""Requests that no client would send: refused in AWS's words, each of them, and never a failure of the server."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import httpx2
import pytest

from tests.dialects.conftest import HEADERS
from tests.support.lambdas import package

ZIP = base64.b64encode(package("def handler(event, context): return event")).decode()
GOOD = {"FunctionName": "odd", "Runtime": "default", "Role": "r", "Handler": "main.handler", "Code": {"ZipFile": ZIP}}
FIELDS = [
    "FunctionName",
    "Runtime",
    "Role",
    "Handler",
    "Code",
    "ZipFile",
    "Description",
    "Timeout",
    "MemorySize",
    "Publish",
    "Environment",
    "Variables",
    "Size",
    "EphemeralStorage",
    "Architectures",
    "Tags",
    "RevisionId",
    "Name",
    "FunctionVersion",
    "RoutingConfig",
    "CodeSha256",
    "DryRun",
    "A=B",
]
TEXTS = ["", "a", "x" * 300, "\ud800", "é", "$LATEST", "1", "0", "٣", "9" * 130, "a.b", "default", "\0", ZIP]
NUMBERS = [0, -1, 1, 128, 2**63, 2**70, 1e308, 0.5]
NAMES = ["odd", "odd:1", "odd:live", "a b", "arn:aws:lambda:us-east-1:000000000000:function:odd", "odd%00", "%ff", "٣"]
ROUTES = [
    ("POST", "", True),
    ("PUT", "/{n}/code", True),
    ("PUT", "/{n}/configuration", True),
    ("POST", "/{n}/versions", True),
    ("POST", "/{n}/aliases", True),
    ("PUT", "/{n}/aliases/{a}", True),
    ("GET", "", False),
    ("GET", "/{n}", False),
    ("GET", "/{n}/code", False),
    ("GET", "/{n}/versions", False),
    ("GET", "/{n}/aliases", False),
    ("DELETE", "/{n}/aliases/{a}", False),
    ("DELETE", "/{n}", False),
]
KINDS = {
    400: {"InvalidParameterValueException"},
    404: {"ResourceNotFoundException"},
    409: {"ResourceConflictException"},
    412: {"PreconditionFailedException"},
}


def value(source: random.Random, depth: int = 0) -> Any:
    kind = source.randrange(8)
    if kind == 0:
        return source.choice([None, True, False])
    if kind == 1:
        return source.choice(NUMBERS)
    if kind == 2 and depth < 3:
        return [value(source, depth + 1) for _ in range(source.randrange(3))]
    if kind == 3 and depth < 3:
        return {source.choice(FIELDS): value(source, depth + 1) for _ in range(source.randrange(4))}
    return source.choice(TEXTS)


@pytest.mark.parametrize("seed", range(4))
def test_malformed_requests_are_refused(url: str, seed: int) -> None:
    source = random.Random(seed)
    with httpx2.Client(base_url=f"{url}/2015-03-31/functions", headers=HEADERS, timeout=50) as client:
        for _ in range(150):
            method, path, has_body = source.choice(ROUTES)
            path = path.replace("{n}", source.choice(NAMES)).replace("{a}", source.choice(["live", "1", "%00", "é"]))
            names = source.sample(["Qualifier", "MaxItems", "Marker", "FunctionVersion"], source.randrange(3))
            query = {each: source.choice(["", "1", "0", "live", "9" * 100, "0:odd", "1:", "\0"]) for each in names}
            body = {**(GOOD if not path else {}), **{source.choice(FIELDS): value(source) for _ in range(2)}}
            answer = client.request(method, path, params=query, content=json.dumps(body) if has_body else None)
            kind = answer.headers.get("x-amzn-errortype")
            assert answer.is_success if kind is None else kind in KINDS[answer.status_code], (method, path, query, body)
