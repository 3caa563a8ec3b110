"""Names for versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.support.lambdas import Aws, create, invoke, package, said


@pytest.fixture
def two_versions(aws: Aws, name: str) -> str:
    create(aws, name, "def handler(event, context): return 1", Publish=True)
    aws.update_function_code(FunctionName=name, ZipFile=package("def handler(event, context): return 2"), Publish=True)
    return name


def test_an_alias_names_a_version_and_then_another(aws: Aws, two_versions: str) -> None:
    made = aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:eu-west-3:000000000000:function:{two_versions}:live"
    assert (made["AliasArn"], made["Name"], made["FunctionVersion"]) == (arn, "live", "1")
    first = invoke(aws, arn)
    assert (first["Payload"], first["ExecutedVersion"]) == (1, "1")
    changed = aws.update_alias(FunctionName=two_versions, Name="live", FunctionVersion="2")
    assert changed["RevisionId"] != made["RevisionId"]
    second = invoke(aws, two_versions, Qualifier="live")
    assert (second["Payload"], second["ExecutedVersion"]) == (2, "2")
    found = aws.get_alias(FunctionName=two_versions, Name="live")
    assert found["FunctionVersion"] == "2"
    shown = aws.get_function_configuration(FunctionName=two_versions, Qualifier="live")
    assert (shown["FunctionArn"], shown["Version"]) == (arn, "2")


def test_aliases_are_listed(aws: Aws, two_versions: str) -> None:
    for alias, version in (("b", "1"), ("a", "2"), ("c", "2")):
        aws.create_alias(FunctionName=two_versions, Name=alias, FunctionVersion=version)
    pages = aws.get_paginator("list_aliases").paginate(FunctionName=two_versions, PaginationConfig={"PageSize": 2})
    assert [each["Name"] for page in pages for each in page["Aliases"]] == ["a", "b", "c"]
    of_two = aws.list_aliases(FunctionName=two_versions, FunctionVersion="2")["Aliases"]
    assert [each["Name"] for each in of_two] == ["a", "c"]


def test_a_deleted_alias_is_gone_and_deleting_it_again_does_no_harm(aws: Aws, two_versions: str) -> None:
    aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="1")
    for _ in range(2):
        aws.delete_alias(FunctionName=two_versions, Name="live")
    asks: list[Callable[[], object]] = [
        lambda: aws.get_alias(FunctionName=two_versions, Name="live"),
        lambda: aws.update_alias(FunctionName=two_versions, Name="live", FunctionVersion="1"),
        lambda: aws.invoke(FunctionName=two_versions, Qualifier="live"),
    ]
    for ask in asks:
        with pytest.raises(ClientError) as caught:
            ask()
        assert said(caught.value) == ("ResourceNotFoundException", 404)


def test_an_alias_is_made_once(aws: Aws, two_versions: str) -> None:
    aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="1")
    with pytest.raises(aws.exceptions.ResourceConflictException, match="Alias already exists"):
        aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="2")


def test_a_version_with_an_alias_is_not_deleted(aws: Aws, two_versions: str) -> None:
    aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="1")
    with pytest.raises(aws.exceptions.ResourceConflictException):
        aws.delete_function(FunctionName=two_versions, Qualifier="1")
    assert invoke(aws, two_versions, Qualifier="live")["Payload"] == 1


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"Name": "live", "FunctionVersion": "9"}, "ResourceNotFoundException"),
        ({"Name": "live", "FunctionVersion": "$LATEST"}, "InvalidParameterValueException"),
        ({"Name": "7", "FunctionVersion": "1"}, "InvalidParameterValueException"),
        (
            {"Name": "x", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}},
            "InvalidParameterValueException",
        ),
    ],
)
def test_an_impossible_alias_is_refused(aws: Aws, two_versions: str, asked: dict[str, object], kind: str) -> None:
    with pytest.raises(ClientError) as caught:
        aws.create_alias(FunctionName=two_versions, **asked)
    assert said(caught.value)[0] == kind


def test_a_change_of_an_alias_that_does_not_know_the_last_one_is_refused(aws: Aws, two_versions: str) -> None:
    made = aws.create_alias(FunctionName=two_versions, Name="live", FunctionVersion="1")
    change = {"FunctionName": two_versions, "Name": "live", "RevisionId": made["RevisionId"]}
    aws.update_alias(**change, FunctionVersion="2")
    with pytest.raises(aws.exceptions.PreconditionFailedException):
        aws.update_alias(**change, FunctionVersion="1")
