"""An unmodified client of AWS's invokes functions: waits for them, or does not, and reads what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError

from tests.dialects.conftest import HEADERS
from tests.support.lambdas import ADD, Aws, connected, create, ensure, invoke, log_of, package, result, said

pytestmark = pytest.mark.client("boto3")

CONTEXT = """
import os

def handler(event, context):
    names = "aws_request_id function_name function_version invoked_function_arn log_group_name log_stream_name"
    told = {name: getattr(context, name) for name in (names + " memory_limit_in_mb").split()}
    told["left"] = context.get_remaining_time_in_millis()
    told["environment"] = {name: os.environ[name] for name in ("AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "_HANDLER")}
    told["identity"] = context.identity.cognito_identity_id
    client = context.client_context
    told["client"] = client and [client.custom, client.env, client.client.app_title]
    return told
"""


@pytest.mark.shows("answer")
def test_a_result_comes_back_as_json(aws: Aws, name: str) -> None:
    create(aws, name)
    answer = invoke(aws, name, {"a": 1, "b": 2})
    assert (answer["StatusCode"], answer["ExecutedVersion"], answer["Payload"]) == (200, "$LATEST", {"sum": 3})
    assert "FunctionError" not in answer
    assert "LogResult" not in answer


@pytest.mark.parametrize(
    "event",
    [None, True, 7, -1.5, "text", [], {}, [1, [2]], {"é": '💡 \\ " \n'}, {"$type": "bytes", "base64": "no"}, 2**70],
    ids=repr,
)
def test_any_json_goes_in_and_comes_back(aws: Aws, event: object) -> None:
    ensure(aws, "echo", "def handler(event, context): return event")
    assert result(aws, "echo", event) == event


def test_without_a_payload_the_event_is_empty(aws: Aws, name: str) -> None:
    create(aws, name, "def handler(event, context): return event")
    assert json.load(aws.invoke(FunctionName=name)["Payload"]) == {}


def test_six_megabytes_go_in_and_come_back(aws: Aws, name: str) -> None:
    source = "def handler(event, context): return [len(event), event[-1], 'x' * 6_000_000]"
    create(aws, name, source, MemorySize=512, Timeout=30)
    event = [{"\"'": "é"}] * 420_000
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    assert 6_000_000 > len(text) > 5_000_000
    answer = aws.invoke(FunctionName=name, Payload=text)
    assert json.load(answer["Payload"]) == [420_000, {"\"'": "é"}, "x" * 6_000_000]


def test_the_context_says_what_awss_says(aws: Aws, name: str) -> None:
    create(aws, name, CONTEXT, MemorySize=192, Timeout=5)
    answer = invoke(aws, name)
    told = answer["Payload"]
    assert told["aws_request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert told["function_name"] == name
    assert told["function_version"] == "$LATEST"
    assert told["invoked_function_arn"] == f"arn:aws:lambda:eu-west-3:000000000000:function:{name}"
    assert told["log_group_name"] == f"/aws/lambda/{name}"
    assert told["log_stream_name"].count("/") == 3
    assert told["memory_limit_in_mb"] == "192"
    assert 0 < told["left"] <= 5000
    assert told["environment"] == {
        "AWS_REGION": "eu-west-3",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "_HANDLER": "main.handler",
    }
    assert (told["identity"], told["client"]) == (None, None)


def test_the_context_names_the_version_and_the_alias_that_were_asked_for(aws: Aws, name: str) -> None:
    create(aws, name, CONTEXT, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in ("1", "live"):
        told = result(aws, name, Qualifier=qualifier)
        assert told["function_version"] == "1"
        assert told["invoked_function_arn"].endswith(f":{name}:{qualifier}")


def test_a_clients_context_is_passed_on(aws: Aws, name: str) -> None:
    create(aws, name, CONTEXT)
    context = "eyJjdXN0b20iOiB7ImEiOiAxfSwgImVudiI6IHsiYiI6ICIyIn0sICJjbGllbnQiOiB7ImFwcF90aXRsZSI6ICJjIn19"
    assert result(aws, name, ClientContext=context)["client"] == [{"a": 1}, {"b": "2"}, "c"]


def test_the_end_of_the_log_comes_with_the_answer(aws: Aws, name: str) -> None:
    source = (
        "import logging\n"
        "logging.getLogger().setLevel(logging.INFO)\n"
        "def handler(event, context):\n"
        "    print('x' * 5000)\n"
        "    print('printed')\n"
        "    logging.getLogger('own').info('logged %d', 7)\n"
    )
    create(aws, name, source)
    answer = invoke(aws, name, LogType="Tail")
    log, request_id = log_of(answer), answer["ResponseMetadata"]["RequestId"]
    assert len(log) == 4096
    assert "xx\nprinted\n[INFO]\t" in log
    assert f"Z\t{request_id}\tlogged 7\nEND RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: " in log
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in log


def test_a_short_log_comes_whole(aws: Aws, name: str) -> None:
    create(aws, name, "def handler(event, context): print('hello')", Publish=True)
    log = log_of(invoke(aws, name, LogType="Tail", Qualifier="1"))
    assert log.splitlines()[1] == "hello"
    assert log.startswith("START RequestId: ")
    assert log.splitlines()[0].endswith(" Version: 1")


@pytest.mark.shows("state")
def test_state_of_a_module_stays_between_invocations(aws: Aws, name: str) -> None:
    source = "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n"
    create(aws, name, source)
    assert [result(aws, name) for _ in range(3)] == [1, 2, 3]


def test_handlers_in_folders_are_found(aws: Aws, name: str) -> None:
    source = "from . import other\ndef run(event, context): return other.VALUE"
    code = package("", pkg_____init__="", pkg___inner=source, pkg___other="VALUE = 7")
    create(aws, name, Code={"ZipFile": code}, Handler="pkg.inner.run")
    assert result(aws, name) == 7
    aws.update_function_configuration(FunctionName=name, Handler="pkg/inner.run")
    assert result(aws, name) == 7


def test_an_exception_whose_text_is_no_unicode_is_told(aws: Aws, name: str) -> None:
    create(aws, name, "def handler(event, context): raise ValueError(chr(0xd800))")
    answer = invoke(aws, name, LogType="Tail")
    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "ValueError")


def test_an_exception_is_told_with_the_functions_own_frames(aws: Aws, name: str) -> None:
    source = (
        "def handler(event, context):\n"
        "    try:\n"
        "        deeper()\n"
        "    except ValueError as error:\n"
        "        raise KeyError('outer') from error\n"
        "def deeper():\n"
        "    raise ValueError('inner')\n"
    )
    create(aws, name, source)
    answer = invoke(aws, name, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    told = answer["Payload"]
    assert (told["errorType"], told["errorMessage"]) == ("KeyError", "'outer'")
    assert told["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert len(told["stackTrace"]) == 1
    assert told["stackTrace"][0].endswith("main.py\", line 5, in handler\n    raise KeyError('outer') from error\n")
    assert "[ERROR] KeyError: 'outer'\nTraceback (most recent call last):\n  File " in log_of(answer)
    assert "_insitu" not in log_of(answer) + str(told)


@pytest.mark.parametrize(
    ("source", "handler", "kind", "words"),
    [
        ("import nothing_like_it", "main.handler", "Runtime.ImportModuleError", "No module named 'nothing_like_it'"),
        ("x = 1", "main.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'main'"),
        ("x = 1", "absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent'"),
        ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("def f(:", "main.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'main'"),
        ("1 / 0", "main.handler", "ZeroDivisionError", "division by zero"),
        ("def handler(e, c): return {1, 2}", "main.handler", "Runtime.MarshalError", "type set is not JSON serializ"),
        ("def handler(e, c): return 'x' * 7_000_000", "main.handler", "Function.ResponseSizeTooLarge", "6291556 bytes"),
        ("def handler(e): return 1", "main.handler", "TypeError", "takes 1 positional argument but 2 were given"),
        ("import sys\ndef handler(e, c): sys.exit(3)", "main.handler", "SystemExit", "3"),
    ],
)
def test_what_a_function_does_wrong_is_told_in_awss_words(
    aws: Aws, name: str, source: str, handler: str, kind: str, words: str
) -> None:
    create(aws, name, source, Handler=handler)
    for _ in range(2):
        answer = invoke(aws, name)
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        assert answer["Payload"]["errorType"] == kind
        assert words in answer["Payload"]["errorMessage"]


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("while True: pass", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("import os; os._exit(1)", "Runtime.ExitError", "Error: Runtime exited without providing a reason"),
        ("import os; os.kill(os.getpid(), 11)", "Runtime.ExitError", "Error: Runtime exited"),
    ],
)
def test_a_function_that_does_not_end_by_itself_is_told_so(
    aws: Aws, name: str, source: str, kind: str, words: str
) -> None:
    create(aws, name, f"def handler(event, context):\n    if event:\n        {source}\n    return 'well'", Timeout=1)
    answer = invoke(aws, name, 1)
    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", kind)
    assert words in answer["Payload"]["errorMessage"]
    assert result(aws, name) == "well"


def test_decimals_are_numbers_and_keys_are_text(aws: Aws, name: str) -> None:
    source = "import decimal\ndef handler(event, context): return {1: decimal.Decimal('1.5'), 'b': (1, 2)}"
    create(aws, name, source)
    assert result(aws, name) == {"1": 1.5, "b": [1, 2]}


def test_a_dry_run_runs_nothing(aws: Aws, name: str) -> None:
    create(aws, name, "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n")
    assert aws.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert result(aws, name) == 1
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke(FunctionName="nowhere", InvocationType="DryRun")


def test_an_event_is_accepted_and_runs(aws: Aws, url: str, name: str, eventually: Callable[..., None]) -> None:
    create(aws, name, "import os\ndef handler(event, context): print('got', event)\n")
    answer = aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    invocation_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-insitu-invocation"]
    with httpx2.Client(base_url=url, headers=HEADERS) as client:

        def done() -> Any:
            found = client.get(f"/v1/functions/{name}/invocations/{invocation_id}").json()
            return found if found.get("state") == "done" else None

        eventually(lambda: done() is not None)
        assert (done()["outcome"], done()["stdout"]) == ("ok", "got {'a': 1}\n")


@pytest.mark.parametrize(
    ("asked", "kind", "status"),
    [
        ({"Payload": b"{"}, "InvalidRequestContentException", 400),
        ({"Payload": b"NaN"}, "InvalidRequestContentException", 400),
        ({"Payload": b'"\xff"'}, "InvalidRequestContentException", 400),
        ({"Payload": b"[" * 100_000}, "InvalidRequestContentException", 400),
        ({"Payload": b'"' + b"x" * 6_291_455 + b'"'}, "RequestTooLargeException", 413),
        ({"Payload": b'"' + b"x" * 1_048_575 + b'"', "InvocationType": "Event"}, "RequestTooLargeException", 413),
        ({"InvocationType": "Sometimes"}, "InvalidParameterValueException", 400),
        ({"LogType": "Head"}, "InvalidParameterValueException", 400),
        ({"ClientContext": "no base64"}, "InvalidRequestContentException", 400),
        ({"ClientContext": "WzFd"}, "InvalidRequestContentException", 400),
        ({"ClientContext": "e30=" * 1000}, "InvalidParameterValueException", 400),
        ({"TenantId": "someone"}, "InvalidParameterValueException", 400),
        ({"DurableExecutionName": "once"}, "InvalidParameterValueException", 400),
        ({"Qualifier": "9"}, "ResourceNotFoundException", 404),
        ({"Qualifier": "nowhere"}, "ResourceNotFoundException", 404),
        ({"FunctionName": "nowhere"}, "ResourceNotFoundException", 404),
    ],
)
@pytest.mark.shows("errors")
def test_an_impossible_invocation_is_refused(aws: Aws, asked: dict[str, object], kind: str, status: int) -> None:
    ensure(aws, "refuser")
    with pytest.raises(ClientError) as caught:
        aws.invoke(**{"FunctionName": "refuser", **asked})
    assert said(caught.value) == (kind, status)


def test_a_function_of_the_other_api_takes_an_events_members_by_name(aws: Aws, url: str, name: str) -> None:
    body = {"files": [{"path": "main.py", "text": "def add(a, b=10): return a + b"}], "handler": "main.add"}
    with httpx2.Client(base_url=url, headers=HEADERS) as client:
        client.put(f"/v1/functions/{name}", json=body).raise_for_status()
    assert [result(aws, name, event) for event in ({"a": 1, "b": 2}, 5)] == [3, 15]
    shown = aws.get_function_configuration(FunctionName=name)
    assert (shown["Handler"], shown["Version"]) == ("main.add", "$LATEST")
    with pytest.raises(aws.exceptions.ResourceConflictException, match="insitu's own API"):
        aws.update_function_code(FunctionName=name, ZipFile=package(ADD))


def test_values_of_the_other_apis_variables_are_hidden(aws: Aws, url: str, name: str) -> None:
    files = [{"path": "main.py", "text": "import os\ndef read(): return os.environ['TOKEN']"}]
    body = {"files": files, "handler": "main.read", "env_vars": {"TOKEN": "a secret"}}
    with httpx2.Client(base_url=url, headers=HEADERS) as client:
        client.put(f"/v1/functions/{name}", json=body).raise_for_status()
    assert aws.get_function_configuration(FunctionName=name)["Environment"] == {"Variables": {"TOKEN": "***"}}
    assert aws.publish_version(FunctionName=name)["Environment"] == {"Variables": {"TOKEN": "***"}}
    assert result(aws, name, {}) == "a secret"


def test_a_function_is_called_by_the_other_api_too(aws: Aws, url: str, name: str) -> None:
    create(aws, name, "def handler(event, context): return [event, context.function_name]")
    with httpx2.Client(base_url=url, headers=HEADERS, timeout=50) as client:
        answer = client.post(f"/v1/functions/{name}/invoke", json={"args": [{"a": 1}]}).json()
    assert answer["result"] == [{"a": 1}, name]


def test_without_keys_any_signature_will_do(serve: Callable[..., str], name: str) -> None:
    with connected(serve(api_keys=()), "whoever", region="us-east-1") as anybody:
        create(anybody, name)
        assert result(anybody, name, {"a": 1, "b": 2}) == {"sum": 3}
