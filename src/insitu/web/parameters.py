"""What is wrong with one parameter of a request."""

from __future__ import annotations

import json

from ..errors import InvalidRequest, NotFound


class BadParameter(InvalidRequest):
    """Raised when a parameter has a value that cannot be used; ``param`` is its name."""

    def __init__(self, param: str, message: str, *, hint: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message, hint=hint)
        self.param = param
        self.code = code


class Unsupported(BadParameter):
    """Raised for what the API of a dialect has and this server has not."""

    def __init__(self, param: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(param, message, hint=hint, code="unsupported")


def check_finite(value: object) -> None:
    """Refuse numbers that JSON has no word for, though its readers take them.

    Raises:
        BadParameter: if one is in the value.
    """
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise BadParameter("body", "numbers must be finite: JSON has neither NaN nor infinity") from None


class RouteUnsupported(NotFound):
    """Raised for a route that the API of a dialect has and this server has not."""

    code = "unsupported"
