"""What cannot be had is refused in AWS's words, and changes nothing."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import botocore
import httpx2
import pytest
from botocore.exceptions import ClientError

from insitu.dialects.aws_lambda.elsewhere import DAYS
from insitu.types import MIB
from tests.dialects.conftest import HEADERS
from tests.support.lambdas import ADD, Aws, create, package, result, said

INVALID = ("InvalidParameterValueException", 400)
DESCRIPTION = Path(botocore.__file__).parent / "data" / "lambda" / "2015-03-31" / "service-2.json.gz"
OPERATIONS: dict[str, Any] = json.loads(gzip.decompress(DESCRIPTION.read_bytes()))["operations"]
HERE = {
    "CreateAlias",
    "CreateFunction",
    "DeleteAlias",
    "DeleteFunction",
    "GetAlias",
    "GetFunction",
    "GetFunctionConfiguration",
    "Invoke",
    "ListAliases",
    "ListFunctions",
    "ListVersionsByFunction",
    "PublishVersion",
    "UpdateAlias",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
}


def is_there(aws: Aws, name: str) -> bool:
    try:
        aws.get_function(FunctionName=name)
    except aws.exceptions.ResourceNotFoundException:
        return False
    return True


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"FunctionName": "a b"}, "FunctionName is 'a b'"),
        ({"FunctionName": "x" * 65}, "FunctionName is"),
        ({"FunctionName": "name:1"}, "FunctionName is"),
        ({"Runtime": "nodejs24.x"}, "Runtime is 'nodejs24.x'; this server has python3."),
        ({"Runtime": "python2.7"}, "Runtime is 'python2.7'"),
        ({"Runtime": "python3.1"}, "Runtime is 'python3.1'"),
        ({"Handler": "a b"}, "Handler: "),
        ({"Handler": "x" * 129}, "Handler: "),
        ({"Timeout": 5000}, "timeout_s is 5000, over this server's ceiling of 600"),
        ({"MemorySize": 32768}, "memory_bytes is 34359738368, over this server's ceiling"),
        ({"EphemeralStorage": {"Size": 512}}, "disk_bytes"),
        ({"Description": "x" * 257}, "Description: "),
        ({"Environment": {"Variables": {"AWS_REGION": "x", "_HANDLER": "y"}}}, "request: AWS_REGION, _HANDLER"),
        ({"Environment": {"Variables": {"A=B": "x"}}}, "the environment variable 'A=B'"),
        ({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:x:1"]}, "Layers is not supported by insitu"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "VpcConfig is not supported"),
        ({"PackageType": "Image"}, "PackageType is not supported"),
        ({"TracingConfig": {"Mode": "Active"}}, "TracingConfig is not supported"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"}}, "DeadLetterConfig is not"),
        ({"Architectures": ["m68k"]}, "Architectures is m68k, and this machine is"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "S3Bucket is not supported"),
        ({"Code": {"ImageUri": "image"}}, "ImageUri is not supported"),
        ({"Code": {}}, "send it as ZipFile"),
        ({"Code": {"ZipFile": b"no zip"}}, "Could not unzip uploaded file"),
        ({"Code": {"ZipFile": b""}}, "Could not unzip uploaded file"),
        ({"Code": {"ZipFile": package("", _insitu_lambda="")}}, "the name of a file that insitu puts there"),
        ({"Code": {"ZipFile": package("", **{"main.py___x": ""})}}, "it is a folder of 'main.py/x.py' as well"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    aws: Aws, name: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=re.escape(words)) as caught:
        create(aws, **{"name": name, **fields})
    assert said(caught.value) == INVALID
    assert not is_there(aws, name)


@pytest.mark.parametrize(
    "fields",
    [
        {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}},
        {"TracingConfig": {"Mode": "PassThrough"}, "SnapStart": {"ApplyOn": "None"}, "PackageType": "Zip"},
        {"Layers": [], "KMSKeyArn": "", "DeadLetterConfig": {}, "LoggingConfig": {"LogFormat": "Text"}},
        {"EphemeralStorage": {"Size": 512}, "MemorySize": 1024},
        {"Runtime": "default"},
    ],
    ids=str,
)
def test_what_asks_for_nothing_more_is_taken(aws: Aws, name: str, fields: dict[str, Any]) -> None:
    create(aws, name, **fields)
    assert result(aws, name, {"a": 1, "b": 2}) == {"sum": 3}


def test_code_that_its_sandbox_has_no_room_for_is_refused(aws: Aws, name: str) -> None:
    with pytest.raises(ClientError, match=r"the code has 8389\d{4} bytes; 67108864 is the most") as caught:
        create(aws, name, Code={"ZipFile": package(ADD, data="#" * 80 * MIB)})
    assert said(caught.value) == INVALID
    assert not is_there(aws, name)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"ZipFile": b"no zip"}, INVALID),
        ({"S3Bucket": "bucket", "S3Key": "key"}, INVALID),
        ({"ZipFile": package(ADD), "Architectures": ["m68k"]}, INVALID),
        ({"ZipFile": package(ADD), "RevisionId": "rev_0"}, ("PreconditionFailedException", 412)),
        ({"FunctionName": "nowhere", "ZipFile": package(ADD)}, ("ResourceNotFoundException", 404)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    aws: Aws, name: str, fields: dict[str, Any], kind: tuple[str, int]
) -> None:
    made = create(aws, name)
    with pytest.raises(ClientError) as caught:
        aws.update_function_code(**{"FunctionName": name, **fields})
    assert said(caught.value) == kind
    assert aws.get_function_configuration(FunctionName=name)["RevisionId"] == made["RevisionId"]


def test_a_version_is_not_changed(aws: Aws, name: str) -> None:
    create(aws, name, Publish=True)
    with pytest.raises(aws.exceptions.InvalidParameterValueException, match="a version never changes"):
        aws.update_function_code(FunctionName=f"{name}:1", ZipFile=package("other"))


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - HERE))
def test_what_is_not_here_says_so(url: str, operation: str) -> None:
    asked = OPERATIONS[operation]["http"]
    path = re.sub(r"\{\w+\}", "some-name", asked["requestUri"])
    assert path.startswith(DAYS)
    with httpx2.Client(base_url=url, headers=HEADERS) as client:
        answer = client.request(asked["method"], path, json={})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (501, "NotImplemented")
    assert f"{asked['method']} {path.partition('?')[0]}" in answer.json()["message"]


def test_each_operation_that_is_here_is_in_the_description() -> None:
    assert set(OPERATIONS) >= HERE


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "the body: "),
        ('{"FunctionName": 7}', "FunctionName: "),
        ('{"FunctionName": "f", "Role": "r", "Code": {}, "Timeout": 0}', "Timeout: "),
        ('{"FunctionName": "f", "Role": "r", "Code": {}, "Nonsense": 1}', "Nonsense is not supported"),
        ("{}", "FunctionName: "),
        (
            '{"FunctionName": "f", "Role": "r", "Code": {"ZipFile": "@@"}, "Runtime": "default", "Handler": "a.b"}',
            "base64",
        ),
    ],
)
def test_a_body_that_no_client_would_send_is_refused(url: str, body: str, words: str) -> None:
    with httpx2.Client(base_url=url, headers=HEADERS) as client:
        answer = client.post("/2015-03-31/functions", content=body)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")
    assert words in answer.json()["message"] == answer.json()["Message"]
    assert answer.json()["Type"] == "User"
