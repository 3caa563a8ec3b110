"""`insitu tools`: what code on a server may be granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .options import AsJson, Url
from .target import connect
from .text import as_json, printable, table

_MOST_SHOWN = 80


def tools(url: Url = None, json: AsJson = False) -> None:
    """List the tools that code may be granted.

    They are functions outside of the sandboxes, of the server's operator.
    """
    with connect(url) as client:
        found = client.tools()
    if json:
        print(as_json(found))
    else:
        print(table(("TOOL", "SOURCE", "PARAMETERS", "WHAT"), map(_row, found)))


def _row(tool: Mapping[str, Any]) -> tuple[str, ...]:
    parameters = ", ".join(tool["parameters"].get("properties") or ()) or "-"
    what = str(tool["description"]).strip().partition("\n")[0]
    return tuple(printable(text)[:_MOST_SHOWN] for text in (tool["name"], tool["source"], parameters, what))
