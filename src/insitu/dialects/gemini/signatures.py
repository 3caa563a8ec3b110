"""Signatures of thoughts: clients give them back untouched with the code, and by them its sandbox is found again."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ...web.shapes import Json
from .casing import member

_SIGNED = "insitu:"


def signature(container_id: str) -> str:
    """The signature of code that runs in a container."""
    return base64.b64encode(f"{_SIGNED}{container_id}".encode()).decode()


def containers_of(contents: Sequence[Json]) -> list[str]:
    """Where code ran, the latest first; whether it was the caller's is seen when it is looked for."""
    found = []
    for content in reversed(contents):
        for part in reversed(content["parts"]):
            signed = member(part, "thought_signature")
            if isinstance(signed, str) and (container_id := _unsigned(signed)):
                found.append(container_id)
    return list(dict.fromkeys(found))


def _unsigned(signed: str) -> str | None:
    try:
        # Some clients send it with the letters for URLs.
        text = base64.b64decode(signed.replace("-", "+").replace("_", "/"), validate=True).decode()
    except ValueError:
        return None
    return text.removeprefix(_SIGNED) if text.startswith(_SIGNED) else None
