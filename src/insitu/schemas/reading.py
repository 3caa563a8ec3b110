"""What is in a schema: its keywords, the schemas within it, and what its references lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ..errors import InvalidRequest, TooLarge
from .sizes import size_of

DEEPEST = 64
_MOST_BYTES = 64 * 1024
_LONGEST_MESSAGE = 300
_DRAFTS = ("https://json-schema.org/draft", "http://json-schema.org/draft")

# Keywords whose schemas are for the same value, and those whose schemas are for what is in it.
HERE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
BELOW = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "prefixItems",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
)
_MAPPINGS = {"dependentSchemas", "dependencies", "properties", "patternProperties"}

Schema = Mapping[str, Any]
_ANYTHING: Schema = {}


def readable(schema: object) -> dict[str, Any]:
    """Something as a schema that can be looked through.

    Raises:
        InvalidRequest: if it is none.
        TooLarge: if it is too long.
    """
    if not isinstance(schema, dict):
        raise no_schema("it is no object")
    size_of(schema, DEEPEST)
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:
        raise no_schema(str(error)) from None
    if size > _MOST_BYTES:
        raise TooLarge(f"the schema has {size} bytes; {_MOST_BYTES} is the most")
    if not str(schema.get("$schema", _DRAFTS[0])).startswith(_DRAFTS):
        raise no_schema(f"its $schema is {clipped(repr(schema['$schema']))}, and not one of {_DRAFTS[0]}")
    # Without a name of its own: references are to places in it.
    return {word: value for word, value in schema.items() if word not in ("$id", "id")}


def inner_schemas(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The schemas within one, each with its keyword."""
    for keyword in (*HERE, *BELOW):
        for each in entries(keyword, schema.get(keyword)):
            if isinstance(each, dict):
                yield keyword, each


def entries(keyword: str, found: object) -> Sequence[Any]:
    """What a keyword has where schemas may be."""
    if isinstance(found, dict):
        return list(found.values()) if keyword in _MAPPINGS else [found]
    return found if isinstance(found, list) else ()


def resolve(root: Schema, reference: object) -> Schema:
    """The schema that a reference leads to.

    Raises:
        InvalidRequest: if it leads nowhere, or elsewhere.
    """
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise no_schema(f"the reference {clipped(repr(reference))} leads elsewhere; only '#/…' is followed")
    found: Any = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return _ANYTHING
    if not isinstance(found, dict):
        raise no_schema(f"the reference {clipped(reference)!r} leads nowhere")
    return found


def no_schema(why: str) -> InvalidRequest:
    """The error that something is no schema."""
    return InvalidRequest(f"this is no JSON schema that can be used: {why}")


def clipped(text: str) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
