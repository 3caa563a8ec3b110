"""An unmodified client of AWS's deploys, lists, changes, publishes and deletes functions."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import httpx2
import pytest
from botocore.exceptions import ClientError

from tests.dialects.conftest import HEADERS
from tests.support.lambdas import ADD, ROLE, RUNTIME, Aws, connected, create, package, result, said

ARN = "arn:aws:lambda:eu-west-3:000000000000:function"


def test_a_new_function_is_told_as_aws_tells_it(aws: Aws, name: str) -> None:
    began = datetime.now(UTC)
    made = create(
        aws, name, Description="adds", Timeout=7, MemorySize=256, Environment={"Variables": {"A": "1"}}, Tags={"t": "v"}
    )
    content = package(ADD)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert {key: made[key] for key in ("FunctionName", "FunctionArn", "Runtime", "Role", "Handler")} == {
        "FunctionName": name,
        "FunctionArn": f"{ARN}:{name}",
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "main.handler",
    }
    assert made["CodeSize"] == len(content)
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert (made["Description"], made["Timeout"], made["MemorySize"]) == ("adds", 7, 256)
    assert (made["Version"], made["State"], made["LastUpdateStatus"]) == ("$LATEST", "Active", "Successful")
    assert (made["PackageType"], made["Environment"]) == ("Zip", {"Variables": {"A": "1"}})
    age = datetime.strptime(made["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z") - began
    assert -1 < age.total_seconds() < 60
    found = aws.get_function(FunctionName=name)
    without = {key: value for key, value in made.items() if key != "ResponseMetadata"}
    assert found["Configuration"] == without
    assert found["Tags"] == {"t": "v"}
    again = aws.get_function_configuration(FunctionName=found["Configuration"]["FunctionArn"])
    assert {key: again[key] for key in without} == without


def test_waiters_find_it_active_at_once(aws: Aws, name: str) -> None:
    create(aws, name)
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated_v2"):
        aws.get_waiter(waiter).wait(FunctionName=name)


def test_its_code_can_be_fetched(aws: Aws, name: str) -> None:
    create(aws, name, Code={"ZipFile": package(ADD, pkg___inner="x = 1")})
    location = aws.get_function(FunctionName=name)["Code"]["Location"]
    with httpx2.Client(headers=HEADERS) as client:
        fetched = client.get(location).content
    with zipfile.ZipFile(io.BytesIO(fetched)) as archive:
        assert {path: archive.read(path).decode() for path in archive.namelist()} == {
            "main.py": ADD,
            "pkg/inner.py": "x = 1",
        }


def test_defaults_are_those_of_aws(aws: Aws, name: str) -> None:
    made = create(aws, name)
    assert (made["Timeout"], made["MemorySize"], made["Description"]) == (3, 128, "")


def test_a_function_is_made_once(aws: Aws, name: str) -> None:
    create(aws, name)
    with pytest.raises(aws.exceptions.ResourceConflictException) as caught:
        create(aws, name, "def handler(event, context): return 'other'")
    assert said(caught.value) == ("ResourceConflictException", 409)
    assert result(aws, name, {"a": 1, "b": 2}) == {"sum": 3}


def test_code_is_replaced(aws: Aws, name: str) -> None:
    first = create(aws, name, Description="kept", Environment={"Variables": {"A": "kept"}})
    source = "import os\ndef handler(event, context): return os.environ['A']"
    changed = aws.update_function_code(FunctionName=name, ZipFile=package(source))
    assert changed["CodeSha256"] != first["CodeSha256"]
    assert changed["RevisionId"] != first["RevisionId"]
    assert changed["Description"] == "kept"
    assert result(aws, name) == "kept"


def test_a_dry_run_of_new_code_changes_nothing(aws: Aws, name: str) -> None:
    create(aws, name)
    aws.update_function_code(FunctionName=name, ZipFile=package("nonsense"), DryRun=True)
    assert result(aws, name, {"a": 1, "b": 2}) == {"sum": 3}


def test_configuration_is_replaced_and_the_rest_kept(aws: Aws, name: str) -> None:
    first = create(aws, name, Description="kept", MemorySize=160)
    source = "def handler(event, context): return 1\ndef other(event, context): return context.memory_limit_in_mb"
    aws.update_function_code(FunctionName=name, ZipFile=package(source))
    changed = aws.update_function_configuration(
        FunctionName=name, Handler="main.other", Timeout=9, Environment={"Variables": {"B": "2"}}
    )
    assert (changed["Handler"], changed["Timeout"], changed["MemorySize"]) == ("main.other", 9, 160)
    assert (changed["Description"], changed["Environment"]) == ("kept", {"Variables": {"B": "2"}})
    assert changed["Role"] == first["Role"]
    assert result(aws, name) == "160"


def test_a_change_that_does_not_know_the_last_one_is_refused(aws: Aws, name: str) -> None:
    first = create(aws, name)
    aws.update_function_configuration(FunctionName=name, Description="new", RevisionId=first["RevisionId"])
    with pytest.raises(aws.exceptions.PreconditionFailedException) as caught:
        aws.update_function_configuration(FunctionName=name, Description="newer", RevisionId=first["RevisionId"])
    assert said(caught.value) == ("PreconditionFailedException", 412)
    assert aws.get_function_configuration(FunctionName=name)["Description"] == "new"


def test_versions_stay_what_they_were(aws: Aws, name: str) -> None:
    made = create(aws, name, "def handler(event, context): return 1", Publish=True)
    assert (made["Version"], made["FunctionArn"]) == ("1", f"{ARN}:{name}:1")
    aws.update_function_code(FunctionName=name, ZipFile=package("def handler(event, context): return 2"))
    published = aws.publish_version(FunctionName=name, Description="second")
    assert (published["Version"], published["Description"]) == ("2", "second")
    assert [result(aws, f"{name}:{version}") for version in ("1", "2", "$LATEST")] == [1, 2, 2]
    first = aws.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (first["Version"], first["FunctionArn"]) == ("1", f"{ARN}:{name}:1")
    versions = aws.list_versions_by_function(FunctionName=name)["Versions"]
    assert [each["Version"] for each in versions] == ["$LATEST", "1", "2"]
    assert versions[1]["CodeSha256"] == made["CodeSha256"]


def test_what_has_not_changed_is_not_published_again(aws: Aws, name: str) -> None:
    create(aws, name)
    assert [aws.publish_version(FunctionName=name)["Version"] for _ in range(2)] == ["1", "1"]


def test_other_code_than_the_caller_means_is_not_published(aws: Aws, name: str) -> None:
    made = create(aws, name)
    with pytest.raises(aws.exceptions.InvalidParameterValueException, match="is different from current CodeSHA256"):
        aws.publish_version(FunctionName=name, CodeSha256="0" * 43 + "=")
    assert aws.publish_version(FunctionName=name, CodeSha256=made["CodeSha256"])["Version"] == "1"


def test_a_version_is_deleted_by_its_number(aws: Aws, name: str) -> None:
    create(aws, name, Publish=True)
    aws.update_function_code(FunctionName=name, ZipFile=package(ADD + "\n"), Publish=True)
    aws.delete_function(FunctionName=name, Qualifier="1")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_function(FunctionName=name, Qualifier="1")
    assert result(aws, f"{name}:2", {"a": 1, "b": 2}) == {"sum": 3}


@pytest.mark.parametrize("qualifier", ["$LATEST", "live"])
def test_nothing_but_a_version_is_deleted_by_a_qualifier(aws: Aws, name: str, qualifier: str) -> None:
    create(aws, name)
    with pytest.raises(aws.exceptions.InvalidParameterValueException):
        aws.delete_function(FunctionName=name, Qualifier=qualifier)
    assert aws.get_function(FunctionName=name)["Configuration"]["State"] == "Active"


def test_a_deleted_function_is_gone_with_its_versions(aws: Aws, name: str) -> None:
    create(aws, name, Publish=True)
    aws.delete_function(FunctionName=name)
    for qualifier in ({}, {"Qualifier": "1"}):
        with pytest.raises(aws.exceptions.ResourceNotFoundException) as caught:
            aws.get_function(FunctionName=name, **qualifier)
        assert said(caught.value) == ("ResourceNotFoundException", 404)
    assert create(aws, name)["Version"] == "$LATEST"


def test_functions_are_listed_page_by_page(url: str, aws: Aws) -> None:
    names = [f"listed-{number}" for number in range(5)]
    for each in names:
        create(aws, each, Publish=True)
    pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [each["FunctionName"] for page in pages for each in page["Functions"]]
    assert max(len(page["Functions"]) for page in pages) == 2
    assert listed == sorted(listed)
    assert [each for each in listed if each.startswith("listed-")] == names
    every = aws.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 3})
    versions = [(each["FunctionName"], each["Version"]) for page in every for each in page["Functions"]]
    assert [each for each in versions if each[0] == names[0]] == [(names[0], "$LATEST"), (names[0], "1")]
    for each in names:
        aws.delete_function(FunctionName=each)


def test_nothing_of_another_owner_is_there(aws: Aws, stranger: Aws, name: str) -> None:
    create(aws, name, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    asks: list[Callable[[], object]] = [
        lambda: stranger.get_function(FunctionName=name),
        lambda: stranger.get_function_configuration(FunctionName=name, Qualifier="1"),
        lambda: stranger.invoke(FunctionName=name),
        lambda: stranger.invoke(FunctionName=name, InvocationType="DryRun"),
        lambda: stranger.invoke(FunctionName=name, InvocationType="Event"),
        lambda: stranger.update_function_code(FunctionName=name, ZipFile=package(ADD)),
        lambda: stranger.update_function_configuration(FunctionName=name, Timeout=5),
        lambda: stranger.publish_version(FunctionName=name),
        lambda: stranger.list_versions_by_function(FunctionName=name),
        lambda: stranger.create_alias(FunctionName=name, Name="mine", FunctionVersion="1"),
        lambda: stranger.get_alias(FunctionName=name, Name="live"),
        lambda: stranger.delete_alias(FunctionName=name, Name="live"),
        lambda: stranger.delete_function(FunctionName=name),
    ]
    for ask in asks:
        with pytest.raises(ClientError) as caught:
            ask()
        assert said(caught.value) == ("ResourceNotFoundException", 404)
    assert name not in [each["FunctionName"] for each in stranger.list_functions()["Functions"]]
    create(stranger, name, "def handler(event, context): return 'theirs'")
    assert (result(aws, name, {"a": 1, "b": 2}), result(stranger, name)) == ({"sum": 3}, "theirs")


@pytest.mark.parametrize("key", ["three", "one/two"])
def test_an_unknown_key_is_told_so(url: str, key: str) -> None:
    with connected(url, key) as unknown, pytest.raises(ClientError) as caught:
        unknown.list_functions()
    assert said(caught.value) == ("UnrecognizedClientException", 403)
