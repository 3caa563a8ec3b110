"""What names a function: a name, an ARN in whole or in part, with a version or an alias behind it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from insitu.dialects.aws_lambda.errors import AwsError
from insitu.dialects.aws_lambda.names import Named, named, new_alias, new_name
from insitu.dialects.aws_lambda.paging import page

SIGNED = "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-3/lambda/aws4_request, SignedHeaders=host, Signature=0"


def request(query: str = "", authorization: str = "") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    ("text", "name", "qualifier"),
    [
        ("adder", "adder", None),
        ("my-function_2", "my-function_2", None),
        ("with.dots", "with.dots", None),
        ("adder:3", "adder", "3"),
        ("adder-1:3", "adder-1", "3"),
        ("adder:live", "adder", "live"),
        ("adder:$LATEST", "adder", "$LATEST"),
        ("123456789012:function:adder", "adder", None),
        ("123456789012:function:adder:3", "adder", "3"),
        ("function:adder", "adder", None),
        ("arn:aws:lambda:us-west-2:123456789012:function:adder", "adder", None),
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:adder:live", "adder", "live"),
    ],
)
def test_a_function_is_named_in_each_way_that_aws_has(text: str, name: str, qualifier: str | None) -> None:
    assert named(request(), text) == Named(name, qualifier, "us-east-1")


@pytest.mark.parametrize(
    "text", ["", "a b", "a/b", "a:b:c:d", "a:", ":a", "é", "x" * 257, "arn:aws:s3:::bucket", "a\n"]
)
def test_what_names_no_function_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match="is neither a function's name nor its ARN"):
        named(request(), text)


@pytest.mark.parametrize(("text", "query"), [("adder", "Qualifier=2"), ("adder:2", ""), ("adder:2", "Qualifier=2")])
def test_a_version_is_named_in_the_path_or_in_the_query(text: str, query: str) -> None:
    assert named(request(query), text).number == 2


def test_two_versions_at_once_are_refused() -> None:
    with pytest.raises(AwsError, match="does not match the specified qualifier"):
        named(request("Qualifier=3"), "adder:2")


@pytest.mark.parametrize("query", ["Qualifier=", "Qualifier=a%20b", "Qualifier=%24NEWEST", f"Qualifier={'x' * 129}"])
def test_an_impossible_qualifier_is_refused(query: str) -> None:
    with pytest.raises(AwsError, match="Qualifier is"):
        named(request(query), "adder")


def test_arns_have_the_region_that_the_client_signs_for() -> None:
    place = named(request(authorization=SIGNED), "adder")
    assert place.arn() == "arn:aws:lambda:eu-west-3:000000000000:function:adder"
    assert place.arn("live") == "arn:aws:lambda:eu-west-3:000000000000:function:adder:live"


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer key",
        SIGNED.replace("/lambda/", "/s3/"),
        f"x {SIGNED}",
        SIGNED.replace("aws4_request", "aws4_requests"),
        SIGNED.replace("key", "k" * 1024),
        "Credential=" * 6000,
    ],
)
def test_what_is_not_signed_for_lambda_names_no_region(authorization: str) -> None:
    assert named(request(authorization=authorization), "adder").region == "us-east-1"


def test_a_key_may_have_slashes_and_nothing_need_follow_the_scope() -> None:
    signed = SIGNED.replace("key", "a/b").partition(",")[0]
    assert named(request(authorization=signed), "adder").region == "eu-west-3"


@pytest.mark.parametrize("text", ["x" * 65, "with.dots", "adder:1", "a b", ""])
def test_names_that_aws_would_not_give_are_refused(text: str) -> None:
    with pytest.raises(AwsError, match="FunctionName is"):
        new_name(request(), text)


def test_a_new_name_can_be_an_arn() -> None:
    assert new_name(request(), "arn:aws:lambda:us-west-2:123456789012:function:adder").name == "adder"


@pytest.mark.parametrize("text", ["", "7", "a.b", "$LATEST", "x" * 129])
def test_an_alias_is_no_number(text: str) -> None:
    with pytest.raises(AwsError, match="an alias is"):
        new_alias(text)


def test_pages_lead_from_one_to_the_next() -> None:
    items = [((name, number), f"{name}{number}") for name in "cab" for number in (10, 9, 0)]
    seen: list[str] = []
    query = {"MaxItems": "4"}
    sizes = []
    while True:
        found, marker = page(items, query)
        seen += found
        sizes.append(len(found))
        if not marker:
            break
        query["Marker"] = marker["NextMarker"]
    assert seen == ["a0", "a9", "a10", "b0", "b9", "b10", "c0", "c9", "c10"]
    assert sizes == [4, 4, 1]


def test_a_page_goes_on_although_its_last_item_is_gone() -> None:
    assert page([(("a", 0), "a"), (("c", 0), "c")], {"Marker": "0:b"}) == (["c"], {})


def test_a_page_has_fifty_items_at_most() -> None:
    found, marker = page([((f"{number:03}", 0), number) for number in range(60)], {"MaxItems": "10000"})
    assert (len(found), marker) == (50, {"NextMarker": "0:049"})


@pytest.mark.parametrize(
    "query",
    [{"MaxItems": "0"}, {"MaxItems": "x"}, {"MaxItems": "10001"}, {"MaxItems": "1" * 5000}, {"Marker": "nonsense"}],
)
def test_an_impossible_page_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(AwsError, match=r"MaxItems is|Marker is"):
        page([], query)
