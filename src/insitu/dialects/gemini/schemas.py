"""Google's schemas of functions and answers as JSON's."""

from __future__ import annotations

from typing import Any

from ...web.parameters import BadParameter
from ...web.shapes import Json
from .casing import camel

_MOST_DEPTH = 64
# What JSON's schemas do not have.
_GOOGLES = {"nullable", "propertyOrdering"}
_COUNTS = {"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"}
_MOST_DIGITS = 18


def json_schema(schema: Any, depth: int = 0) -> Any:
    """A schema whose types are in capitals and whose numbers may be strings, as JSON has them.

    Raises:
        BadParameter: if it is nested too deep.
    """
    if depth > _MOST_DEPTH:
        raise BadParameter("tools", f"a schema is nested deeper than {_MOST_DEPTH}")
    if not isinstance(schema, dict):
        return schema
    named = {"$defs" if name == "defs" else camel(name): value for name, value in schema.items()}
    made = {name: _keyword(name, value, depth) for name, value in named.items() if name not in _GOOGLES}
    if named.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _keyword(name: str, value: Any, depth: int) -> Any:
    match name:
        case "type" if isinstance(value, str):
            return value.lower()
        case "properties" | "$defs" if isinstance(value, dict):
            return _each(value, depth)
        case "items" | "additionalProperties":
            return json_schema(value, depth + 1)
        case "anyOf" | "prefixItems" if isinstance(value, list):
            return [json_schema(each, depth + 1) for each in value]
    # 64-bit numbers are strings in Google's JSON.
    counts = name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit()
    return int(value[:_MOST_DIGITS]) if counts else value


def _each(schemas: Json, depth: int) -> Json:
    return {name: json_schema(each, depth + 1) for name, each in schemas.items()}
