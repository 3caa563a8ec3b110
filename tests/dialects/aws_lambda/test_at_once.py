"""Many at once: deployments, and invocations of what is being replaced or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.lambdas import Aws, connected, create, invoke, package, result, said

MARK = "def handler(event, context): return [{0}, inner()]\ndef inner():\n    import other\n    return other.VALUE"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def marked(number: int) -> bytes:
    """A package of two modules, which belong together."""
    return package(MARK.format(number), other=f"VALUE = {number}")


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as refused:
        return said(refused)


def test_of_two_that_make_the_same_function_one_does(aws: Aws, name: str, pool: ThreadPoolExecutor) -> None:
    codes = [{"ZipFile": marked(mark)} for mark in range(8)]
    made = [pool.submit(outcome, partial(create, aws, name, Code=code)) for code in codes]
    ends = [each.result() for each in made]
    assert ends.count(("ResourceConflictException", 409)) == 7
    winner = next(mark for mark, end in enumerate(ends) if isinstance(end, dict))
    assert result(aws, name) == [winner, winner]


def test_deployments_at_once_are_all_whole_and_each_has_its_version(
    aws: Aws, name: str, pool: ThreadPoolExecutor
) -> None:
    create(aws, name, Code={"ZipFile": marked(0)})
    changes = [
        pool.submit(aws.update_function_code, FunctionName=name, ZipFile=marked(mark), Publish=True)
        for mark in range(1, 9)
    ]
    versions = {each.result()["Version"]: mark for mark, each in enumerate(changes, 1)}
    assert sorted(versions) == [str(number) for number in range(1, 9)]
    for version, mark in versions.items():
        assert result(aws, name, Qualifier=version) == [mark, mark]


def test_changes_of_code_and_of_configuration_at_once_are_both_kept(
    aws: Aws, name: str, pool: ThreadPoolExecutor
) -> None:
    create(aws, name, Code={"ZipFile": marked(0)})
    for number in range(1, 6):
        change = pool.submit(aws.update_function_code, FunctionName=name, ZipFile=marked(number))
        configure = pool.submit(aws.update_function_configuration, FunctionName=name, Timeout=number)
        change.result(), configure.result()
        assert result(aws, name) == [number, number]
        assert aws.get_function_configuration(FunctionName=name)["Timeout"] == number


def test_an_invocation_meanwhile_sees_one_deployment_or_the_other(
    aws: Aws, name: str, pool: ThreadPoolExecutor
) -> None:
    create(aws, name, Code={"ZipFile": marked(0)})
    invocations = []
    for number in range(1, 6):
        invocations += [pool.submit(result, aws, name) for _ in range(4)]
        pool.submit(aws.update_function_code, FunctionName=name, ZipFile=marked(number)).result()
    for each in invocations:
        first, second = each.result()
        assert first == second


def test_what_runs_while_its_function_is_deleted_runs_to_its_end(
    url: str, aws: Aws, name: str, pool: ThreadPoolExecutor
) -> None:
    source = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'done'\n"
    create(aws, name, source, Publish=True, Timeout=20)
    result(aws, name, 0)
    running = [pool.submit(outcome, lambda: result(aws, name, 1.0)) for _ in range(2)]
    more = [pool.submit(outcome, lambda: result(aws, f"{name}:1", 0.0)) for _ in range(6)]
    aws.delete_function(FunctionName=name)
    for each in running + more:
        assert each.result() in ("done", ("ResourceNotFoundException", 404))
    assert outcome(lambda: invoke(aws, name, 0)) == ("ResourceNotFoundException", 404)


def test_more_than_may_run_are_told_to_come_again(serve: Callable[..., str], name: str) -> None:
    source = "import time\ndef handler(event, context):\n    time.sleep(2)\n    return 'done'\n"
    with connected(serve(function_concurrency=1)) as aws, ThreadPoolExecutor(3) as pool:
        create(aws, name, source, Timeout=20)
        asked = [pool.submit(aws.invoke, FunctionName=name) for _ in range(3)]
        errors = [error for error in (each.exception() for each in asked) if error]
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, ClientError)
        assert said(error) == ("TooManyRequestsException", 429)
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert error.response["retryAfterSeconds"] == "1"


def test_an_owner_who_may_store_no_more_is_told_so(serve: Callable[..., str], name: str) -> None:
    with connected(serve(data_bytes_per_owner=20_000)) as aws:
        create(aws, name)
        with pytest.raises(ClientError) as caught:
            create(aws, f"{name}-2", Code={"ZipFile": package("#" * 20_000)})
        assert said(caught.value) == ("CodeStorageExceededException", 400)
        assert [each["FunctionName"] for each in aws.list_functions()["Functions"]] == [name]
