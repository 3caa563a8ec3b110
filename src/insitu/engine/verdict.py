"""Outcome, error and exit code: from what the host and the kernel saw, and only then from what the guest claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..types import CodeError, Limits, Outcome
from .claims import is_a
from .console import Ending

_SIGNALS = {
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
    31: "SIGSYS",
}
_MAX_TEXT = 256 * 1024


class Verdict:
    """Outcome, error and exit code: decided from what the host saw, and only then from what the guest claims."""

    def __init__(self, ending: Ending, *, oom_killed: bool, exit_code: int | None, limits: Limits, timeout_s: float):
        self._claim = ending.claim
        self.claimed = _claimed_error(ending.claim)
        self.outcome: Outcome
        self.exit_code = 0
        self.error: CodeError | None = self.claimed
        traceback = self.claimed.traceback if self.claimed else ""
        if ending.stopped == "timeout":
            self._set("timeout", 124, "Timeout", f"the code ran longer than its {timeout_s:g} s", traceback)
        elif ending.stopped == "cancelled":
            self._set("cancelled", 130, "Cancelled", "the execution was interrupted", traceback)
        elif oom_killed and (ending.claim is None or (self.error is not None and self.error.name == "MemoryError")):
            mib = limits.memory_bytes >> 20
            self._set("out_of_memory", 137, "OutOfMemory", f"the session used up its {mib} MiB of memory", traceback)
        elif ending.claim is None:
            self._set("crashed", shell_code(exit_code), "Crashed", _describe_death(ending.violation, exit_code))
        elif self.error is not None:
            self.outcome, self.exit_code = "error", _claimed_exit_code(ending.claim)
        else:
            self.outcome = "ok"
        if self.outcome == "error" and self.exit_code == 0:  # `sys.exit(0)` is how many a script says that it is done
            self.outcome, self.error = "ok", None

    def _set(self, outcome: Outcome, exit_code: int, name: str, value: str, traceback: str = "") -> None:
        self.outcome, self.exit_code = outcome, exit_code
        self.error = CodeError(name, value, traceback)


def _claimed_error(claim: Mapping[str, Any] | None) -> CodeError | None:
    error = claim.get("error") if claim else None
    if not isinstance(error, dict):
        return None
    return CodeError(*(str(error.get(key) or "")[:_MAX_TEXT] for key in ("name", "value", "traceback")))


def _claimed_exit_code(claim: Mapping[str, Any]) -> int:
    code = claim["error"].get("exit_code")
    return code & 0xFF if is_a(code, int) else 1


def shell_code(exit_code: int | None) -> int:
    """What a shell would say of an exit code that is negative for a signal."""
    if exit_code is None:
        return 1
    return 128 - exit_code if exit_code < 0 else exit_code or 1


def signal_name(number: int) -> str:
    """A signal, in a word or two."""
    return _SIGNALS.get(number, f"signal {number}")


def _describe_death(violation: str | None, exit_code: int | None) -> str:
    if violation is not None and exit_code in (None, -9):
        return f"the interpreter was ended because of what it sent: {violation}"
    if exit_code is None:
        return "the interpreter died"
    if exit_code < 0:
        return f"the interpreter was killed by {signal_name(-exit_code)}"
    return f"the interpreter ended itself with exit code {exit_code}"
