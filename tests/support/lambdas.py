"""Functions for AWS's clients: packages, and what comes back from them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# A client of AWS's, whose methods are made from a description at run time.
Aws = Any
Body = dict[str, Any]

ROLE = "arn:aws:iam::123456789012:role/lambda"
RUNTIME = "default"
ADD = "def handler(event, context):\n    return {'sum': event['a'] + event['b']}\n"


@contextmanager
def connected(url: str, key: str = "one", region: str = "eu-west-3", **options: Any) -> Iterator[Aws]:
    """An unmodified client of AWS's own, for AWS Lambda."""
    made = boto3.client(
        "lambda",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="not looked at",
        config=Config(retries={"total_max_attempts": 1}, **options),
    )
    try:
        yield made
    finally:
        made.close()


def package(source: str, **others: str) -> bytes:
    """A zip with a module ``main``, and others by their names; three underscores are a folder's end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"main": source, **others}.items():
            path = "/".join(name.split("___")) + ".py"
            # Without the time: the same is the same again.
            archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def create(aws: Aws, name: str, source: str = ADD, **others: Any) -> Body:
    """Deploy a function whose handler is ``main.handler``."""
    asked = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "main.handler",
        "Code": {"ZipFile": package(source)},
        **others,
    }
    made: Body = aws.create_function(**asked)
    return made


def ensure(aws: Aws, name: str, source: str = ADD) -> None:
    """Have a function that several tests share."""
    try:
        create(aws, name, source)
    except aws.exceptions.ResourceConflictException:
        pass


def invoke(aws: Aws, name: str, event: object = None, **others: Any) -> Body:
    """Invoke a function; its payload is read."""
    answer: Body = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **others)
    text = answer["Payload"].read()
    return {**answer, "Payload": json.loads(text) if text else None}


def result(aws: Aws, name: str, event: object = None, **others: Any) -> Any:
    """What a function returns."""
    answer = invoke(aws, name, event, **others)
    assert "FunctionError" not in answer, answer["Payload"]
    return answer["Payload"]


def log_of(answer: Body) -> str:
    """The end of the log that came with an answer."""
    return base64.b64decode(answer["LogResult"]).decode()


def said(error: ClientError) -> tuple[str, int]:
    """A refusal: its kind, and its HTTP status."""
    response: Body = error.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
