"""JSON out of whatever sandboxed code has shown."""

from __future__ import annotations

import json
from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """JSON, whatever strings and numbers sandboxed code has put into the value."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Lone surrogates, integers over 64 bits and deep nesting are nothing to orjson; NaN is no JSON.
        finite = json.loads(json.dumps(value), parse_constant=lambda name: None)
        return json.dumps(finite, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
