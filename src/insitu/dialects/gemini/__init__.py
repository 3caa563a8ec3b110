"""Google's Gemini API: contents generated with code execution, and interactions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...web.dialect import Dialect, joined, sends
from . import files, models
from . import routes as generating
from .errors import gemini_error
from .interactions import routes as interactions
from .interactions.asked import CreateInteraction
from .interactions.errors import interaction_error

_CLIENTS = "Google's clients"
_KEY_HINT = "send `x-goog-api-key: KEY`; a `?key=` in the address is not read"
_sends_a_key, _sends_a_bearer = sends(b"x-goog-api-key"), sends(b"authorization")


def _speaks(scope: Mapping[str, Any]) -> bool:
    return _sends_a_key(scope) or (scope["path"].endswith(models.METHODS) and not _sends_a_bearer(scope))


GEMINI = Dialect(
    "gemini",
    joined(generating, models, files),
    paths=("/v1beta", "/upload/v1beta"),
    # Others have files and models at /v1, too.
    speaks=_speaks,
    # Google's own client asks for v1 since its third major, and for v1beta before.
    spellings={
        **{f"/v1/{name}": f"/v1beta/{name}" for name in ("files", "interactions", "models")},
        "/upload/v1": "/upload/v1beta",
    },
    linked=files.is_linked,
    error_answer=gemini_error,
    clients=_CLIENTS,
    key_hint=_KEY_HINT,
)
# Its errors have another form, though it lies among Gemini's paths: it comes before it in the order of the look-up.
INTERACTIONS = Dialect(
    "interactions",
    interactions.routes,
    bodies=(CreateInteraction,),
    paths=("/v1beta/interactions",),
    error_answer=interaction_error,
    clients=_CLIENTS,
    key_hint=_KEY_HINT,
)
