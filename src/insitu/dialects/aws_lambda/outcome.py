"""How an invocation has ended, as AWS's clients read it: a payload, and the end of the log."""

from __future__ import annotations

import base64
import math
import re
from datetime import UTC, datetime
from typing import Any

from ...functions import Invocation
from ...types import MIB
from ...web.encoding import dumps
from .deployment import MODULE

_LOG_BYTES = 4096
_FRAME = re.compile(r'^  File "(?P<file>[^"\n]*)".*\n(?: {4}.*\n?|  \[Previous.*\n?)*', re.MULTILINE)
_HEAD = "Traceback (most recent call last):\n"


def payload(invocation: Invocation, *, is_text: bool) -> bytes:
    """What a function has returned, as JSON.

    Args:
        is_text: whether it is JSON already, as the sandbox has made it.
    """
    result = invocation.result
    return result.encode("utf-8", "replace") if is_text and isinstance(result, str) else dumps(result)


def failure(invocation: Invocation, request_id: str, timeout_s: float) -> dict[str, Any]:
    """What is told in place of a result."""
    if invocation.outcome == "error" and invocation.error:
        error = invocation.error
        told = {"errorMessage": error.value, "errorType": error.name, "requestId": request_id}
        return {**told, "stackTrace": [] if "." in error.name else _frames(error.traceback)}
    if invocation.outcome == "timeout":
        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        text = f"{stamp}Z {request_id} Task timed out after {timeout_s:.2f} seconds"
        return {"errorType": "Sandbox.Timedout", "errorMessage": text}
    kind, why = {
        "out_of_memory": ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        "cancelled": ("Runtime.ExitError", "the invocation was interrupted"),
    }.get(invocation.outcome or "", ("Runtime.ExitError", "Runtime exited without providing a reason"))
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {why}"}


def log_tail(invocation: Invocation, request_id: str, version: str, memory_mb: int) -> str:
    """The end of the log of an invocation, as the header carries it."""
    log = _log(invocation, request_id, version, memory_mb).encode("utf-8", "replace")
    return base64.b64encode(log[-_LOG_BYTES:]).decode()


def _log(invocation: Invocation, request_id: str, version: str, memory_mb: int) -> str:
    used = math.ceil((invocation.peak_memory_bytes or 0) / MIB)
    written = "".join(f"{text.rstrip()}\n" for text in (invocation.stdout, invocation.stderr) if text.strip())
    return (
        f"START RequestId: {request_id} Version: {version}\n{written}{_said(invocation, request_id)}"
        f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {invocation.duration_ms:.2f} ms\t"
        f"Billed Duration: {math.ceil(invocation.duration_ms)} ms\tMemory Size: {memory_mb} MB\t"
        f"Max Memory Used: {used} MB\n"
    )


def _said(invocation: Invocation, request_id: str) -> str:
    if invocation.outcome == "ok":
        return ""
    if invocation.error is None:
        return f"RequestId: {request_id} Error: {invocation.outcome}\n"
    head = f"[ERROR] {invocation.error.name}: {invocation.error.value}\n"
    frames = _frames(invocation.error.traceback)
    return head + (_HEAD + "".join(frames) if frames else "")


def _frames(traceback: str) -> list[str]:
    """The user's own frames of the last exception."""
    last = traceback.rpartition(_HEAD)[2]
    return [found[0] for found in _FRAME.finditer(last) if not _is_ours(found["file"])]


def _is_ours(file: str) -> bool:
    return file.endswith(f"/{MODULE}.py") or file.startswith("<frozen importlib")
