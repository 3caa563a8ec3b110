"""Runs in the sandbox, beside a deployed package: calls its handler as AWS Lambda's own runtime does.

Standard library alone, from Python 3.9 on. It is deployed as ``_insitu_lambda.py``, with what it has to know of the
function in ``_insitu_lambda.json``; the event comes, and the result goes, as the text of its JSON.
"""

from __future__ import annotations

import base64
import decimal
import importlib
import json
import logging
import os
import sys
import time
import types
import uuid
import zlib
from collections.abc import Callable
from typing import Any

_FOLDER = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(_FOLDER, "_insitu_lambda.json"), encoding="utf-8") as _file:
    _FUNCTION: dict[str, Any] = json.load(_file)

_MOST_BYTES = 6 * 1024 * 1024 + 100
_LOG_GROUP = f"/aws/lambda/{_FUNCTION['name']}"
_LOG_STREAM = f"{time.strftime('%Y/%m/%d', time.gmtime())}/{uuid.uuid4().hex}"
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
_handlers: list[Callable[[Any, Any], Any]] = []


class LambdaContext:
    """What a handler is told of its invocation, under AWS's names."""

    def __init__(self, call: dict[str, Any]) -> None:
        self._ends = time.monotonic() + _FUNCTION["timeout_s"]
        self.aws_request_id: str = call["request_id"]
        self.function_name: str = _FUNCTION["name"]
        self.function_version: str = call["version"]
        self.invoked_function_arn: str = call["arn"]
        self.memory_limit_in_mb = str(_FUNCTION["memory_mb"])
        self.log_group_name = _LOG_GROUP
        self.log_stream_name = _LOG_STREAM
        self.tenant_id = None
        self.identity = types.SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = _client_context(call.get("client_context"))

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is stopped."""
        return max(0, int((self._ends - time.monotonic()) * 1000))

    def log(self, message: Any) -> None:
        """Write to the log."""
        sys.stdout.write(str(message))


class _Log(logging.Handler):
    """Writes records where ``print`` writes, in the form that AWS has."""

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"[{record.levelname}]\t{stamp}.{int(record.msecs):03d}Z\t{self.request_id}"
        sys.stdout.write(f"{head}\t{self.format(record)}\n")


_log = _Log()


def handler(event: Any = None, *, aws: dict[str, Any] | None = None) -> Any:
    """Call the package's handler.

    Args:
        event: for callers that are not AWS's clients; they get the value itself.
        aws: what AWS's client has sent; it gets JSON.
    """
    if aws is None:
        return _invoke(event, {"request_id": str(uuid.uuid4()), "version": "$LATEST", "arn": _FUNCTION["arn"]})
    text = zlib.decompress(base64.b64decode(aws["compressed"])) if "compressed" in aws else aws["payload"]
    return _json(_invoke(json.loads(text), aws))


def _invoke(event: Any, call: dict[str, Any]) -> Any:
    _log.request_id = call["request_id"]
    os.environ.update(_variables(call))
    context = LambdaContext(call)
    if not _handlers:
        logging.getLogger().addHandler(_log)
        _handlers.append(_find(_FUNCTION["handler"]))
    return _handlers[0](event, context)


def _variables(call: dict[str, Any]) -> dict[str, str]:
    region = call["arn"].split(":")[3]
    return {
        "_HANDLER": _FUNCTION["handler"],
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(_FUNCTION["memory_mb"]),
        "AWS_LAMBDA_FUNCTION_NAME": _FUNCTION["name"],
        "AWS_LAMBDA_FUNCTION_VERSION": call["version"],
        "AWS_LAMBDA_LOG_GROUP_NAME": _LOG_GROUP,
        "AWS_LAMBDA_LOG_STREAM_NAME": _LOG_STREAM,
        "LAMBDA_TASK_ROOT": _FOLDER,
    }


def _find(name: str) -> Callable[[Any, Any], Any]:
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise _failure("Runtime.MalformedHandlerName", f"Bad handler {name!r}: not enough values to unpack")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise _failure("Runtime.ImportModuleError", f"Unable to import module {module_name!r}: {error}") from None
    except SyntaxError as error:
        raise _failure(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module {module_name!r}: {error.msg} (line {error.lineno})"
        ) from None
    found = getattr(module, function_name, None)
    if not callable(found):
        raise _failure("Runtime.HandlerNotFound", f"Handler {function_name!r} missing on module {module_name!r}")
    function: Callable[[Any, Any], Any] = found
    return function


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise _failure("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    if len(text) > _MOST_BYTES:
        raise _failure(
            "Function.ResponseSizeTooLarge",
            f"Response payload size exceeded maximum allowed payload size ({_MOST_BYTES} bytes).",
        )
    return text


def _plain(value: Any) -> float:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _client_context(text: str | None) -> Any:
    if text is None:
        return None
    given = json.loads(text)
    client = given.get("client")
    named = types.SimpleNamespace(**{name: client.get(name) for name in _CLIENT}) if client else None
    return types.SimpleNamespace(custom=given.get("custom"), env=given.get("env"), client=named)


def _failure(name: str, message: str) -> Exception:
    # AWS's names for what goes wrong have a dot, which no class in a program can have.
    made: Exception = type(name, (Exception,), {"__module__": "builtins"})(message)
    return made
