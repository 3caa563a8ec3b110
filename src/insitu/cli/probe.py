"""Who answers at an address: a server of insitu's, a model server, or nobody."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from insitu.errors import AnswerFailed, InsituError, InvalidRequest, ServerUnreachable

from .errors import known_by_insitu

if TYPE_CHECKING:
    from insitu.settings import Settings

# Whoever starts a server does not wait longer for what is only good to know.
_START_S = 1.0
_PATIENCE_S = 5.0


class Fault(NamedTuple):
    """What a model server does wrong, and what may mend it, if that is known."""

    what: str
    mend: str | None = None
    of_the_key: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.mend}" if self.mend else self.what


_SILENT = Fault("does not answer now")


def is_insitu(url: str) -> bool:
    """Whether a server of insitu's answers there."""
    answer = _health(url)
    return answer is not None and _by_insitu(answer)


def stranger(url: str) -> str | None:
    """What else answers there, in words; None if nobody does, or a server of insitu's."""
    answer = _health(url)
    if answer is None or _by_insitu(answer):
        return None
    name = answer.headers.get("server")
    return f"{name[:80] if name else 'what answers'} says {answer.status_code} to /healthz"


def _health(url: str) -> httpx2.Response | None:
    try:
        return httpx2.get(f"{url}/healthz", timeout=_PATIENCE_S)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return None


def _by_insitu(answer: httpx2.Response) -> bool:
    # Others have a path of that name, too; this header is on all that insitu answers.
    return answer.status_code == 200 and answer.headers.get("x-request-id", "").startswith("req_")


def fault_of(base_url: str, key: str = "", timeout_s: float = _PATIENCE_S) -> Fault | None:
    """What is wrong with a model server: it is asked for its models."""
    base_url = base_url.rstrip("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx2.get(f"{base_url}/models", headers=headers, timeout=timeout_s)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return _SILENT
    found, is_json = _json(answer)
    if isinstance(found, dict) and "request_id" in (found.get("error") or ()):
        return None  # insitu's own words, which need no others
    what = f"answers {answer.status_code} to /models"
    if answer.status_code in (401, 403):
        return Fault(what, "the key that it gets is INSITU_UPSTREAM_API_KEY", of_the_key=True)
    if answer.status_code in (404, 405) or answer.is_redirect or (answer.is_success and not is_json):
        what += "" if is_json or not answer.is_success else ", and what it says is no JSON"
        return Fault(what, _mend_address(base_url))
    return None if answer.is_success else Fault(what)


def _json(answer: httpx2.Response) -> tuple[object, bool]:
    try:
        return json.loads(answer.content), True
    except ValueError:
        return None, False


def _mend_address(base_url: str) -> str:
    if base_url.endswith("/v1"):
        return "see that this is the base URL of an OpenAI-compatible server"
    return "its base URL usually ends in /v1"


class Glance:
    """A look at the model server of the settings beside other work, for which nobody waits long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deadline = monotonic() + _START_S
        self._fault: Fault | None = None
        self._thread = Thread(target=self._look, daemon=True)
        if settings.upstream:
            self._thread.start()

    def fault(self) -> Fault | None:
        """What is wrong with the model server, as far as can be said by now."""
        if not self._settings.upstream:
            return None
        self._thread.join(max(0.0, self._deadline - monotonic()))
        return _SILENT if self._thread.is_alive() else self._fault

    def _look(self) -> None:
        self._fault = fault_of_upstream(self._settings, _START_S)


def fault_of_upstream(settings: Settings, timeout_s: float = _PATIENCE_S) -> Fault | None:
    """What is wrong with the model server of the settings."""
    fault = fault_of(settings.upstream, settings.upstream_api_key.get_secret_value(), timeout_s)
    # Where callers bring their keys, this one need not fit.
    return None if fault is not None and fault.of_the_key and settings.upstream_forward_key else fault


def fault_behind(url: str, key: str) -> Fault | None:
    """What is wrong with the model server behind a server of insitu's; how that was named is not known here."""
    fault = fault_of(f"{url}/v1", key)
    if fault is None or not fault.mend or fault.of_the_key:
        return fault
    return fault._replace(mend="the base URL that `insitu serve --upstream` is given usually ends in /v1")


@contextmanager
def explaining(model_server: str, look: Callable[[], Fault | None]) -> Iterator[None]:
    """Let an error say what is wrong with the model server, if that is known to be what led to it."""
    try:
        yield
    except (AnswerFailed, ServerUnreachable):
        raise
    except InsituError as error:
        fault = look()
        if fault is not None and fault.mend:
            error.message, error.hint = f"{model_server} {fault.what}", fault.mend
        raise


@contextmanager
def explaining_server(url: str) -> Iterator[None]:
    """Let an error say that no server of insitu's answers there, if that led to it."""
    try:
        yield
    except InsituError as error:
        if known_by_insitu(error) or (other := stranger(url)) is None:
            raise
        raise ServerUnreachable(
            f"what answers at {url} is no insitu server: {other}",
            hint="name an insitu server by --url or INSITU_URL, or start one with `insitu serve`; "
            f"a model server is asked by `insitu ask --upstream {url}/v1`",
        ) from None


@contextmanager
def explaining_port(host: str, port: int) -> Iterator[None]:
    """Let an error say who has the port already, if that led to it."""
    try:
        yield
    except InvalidRequest as error:
        if os.strerror(errno.EADDRINUSE) in error.message:
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            other = stranger(url)
            who = f"another program has it ({other})" if other else "another program has it"
            error.hint = f"{'an insitu server answers there' if is_insitu(url) else who}; choose another --port"
        raise
