"""The root of all exceptions, and its two branches: whose fault it is."""

from __future__ import annotations


class InsituError(Exception):
    """The root: catch this for everything that insitu raises on purpose.

    Args:
        retry_after_s: seconds after which trying again makes sense; None where it makes none.
    """

    code = "internal"
    retry_after_s: float | None = None

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class CallerError(InsituError):
    """What was asked for cannot be done."""

    code = "invalid_request"


class ServiceError(InsituError):
    """The service cannot do its part; nothing is wrong with the request."""
