"""What nobody raised on purpose: all of it for the log, and for whoever waits an error like any other."""

from __future__ import annotations

import logging

from .root import InsituError, ServiceError

_log = logging.getLogger("insitu.server")


class Unforeseen(ServiceError):
    """Raised when something fails that nobody foresaw: a defect of insitu, of which the server's log says more.

    Args:
        request_id: under which the log says what it was.
    """

    code = "internal"

    def __init__(self, request_id: str) -> None:
        super().__init__("something went wrong in the server", hint=f"its log says more under {request_id}")


def foreseen(exc: Exception, request_id: str) -> InsituError:
    """The error to go on with: what was raised on purpose, or what stands for a defect, which is logged here alone.

    What it returns was raised on purpose; so a failure is logged once, however many hear of it.
    """
    if isinstance(exc, InsituError):
        return exc
    _log.error("request %s failed", request_id, exc_info=exc)
    return Unforeseen(request_id)
