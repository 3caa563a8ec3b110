"""Ids of tool uses: they carry all that must be found again, so that nothing of a message is stored."""

from __future__ import annotations

import re

_HEX = "[0-9a-f]{32}"
_SERVER_USE = re.compile(f"srvtoolu_({_HEX})({_HEX})")
_CLIENT_USE = re.compile(f"toolu_({_HEX})")
_CALL, _CONTAINER = "call_", "cntr_"


def server_use_id(call_id: str, container_id: str) -> str:
    """The id of a use of the server's tools: its call, and where its code runs."""
    return f"srvtoolu_{call_id.removeprefix(_CALL)}{container_id.removeprefix(_CONTAINER)}"


def client_use_id(call_id: str) -> str:
    """The id of a use of the client's tools."""
    return f"toolu_{call_id.removeprefix(_CALL)}"


def call_id_of(use_id: str) -> str:
    """The call that an id was made of; an id from elsewhere leads nowhere, and stays as it is."""
    found = _SERVER_USE.fullmatch(use_id) or _CLIENT_USE.fullmatch(use_id)
    return f"{_CALL}{found[1]}" if found else use_id


def container_id_of(use_id: str) -> str | None:
    """Where the code of a use ran; None if its id is from elsewhere."""
    found = _SERVER_USE.fullmatch(use_id)
    return f"{_CONTAINER}{found[2]}" if found else None
