"""What tools look like to code: names, signatures and docstrings, made of whatever their schemas say."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping
from typing import Any

_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}
# Lists of lists of lists; how long a type may be as text; and of how many others it may be one.
_DEEPEST, _LONGEST, _MOST_OPTIONS = 4, 200, 8


class _Named:
    """Shows as this text where a signature is printed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_OMITTED = _Named("...")


def identifier(name: str) -> str:
    """A name as an attribute: what cannot stand in one is an underscore."""
    made = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in name)
    return made if made.isidentifier() and not keyword.iskeyword(made) else f"_{made}"


def properties_of(schema: Any) -> dict[str, Any]:
    """The arguments that a schema names."""
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    return found if isinstance(found, dict) else {}


def signature_of(schema: Any, returns: Any = None) -> inspect.Signature:
    """The signature of what a schema describes; what has no identifier for a name is not in it.

    Args:
        returns: the type of the result as text, if it is known.
    """
    properties = properties_of(schema)
    required = schema.get("required") if properties else None
    required = required if isinstance(required, list) else []
    parameters, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in sorted(properties, key=lambda name: name not in required):
        if name.isidentifier() and not keyword.iskeyword(name):
            about = properties[name] if isinstance(properties[name], dict) else {}
            default = inspect.Parameter.empty if name in required else about.get("default", _OMITTED)
            parameters.append(inspect.Parameter(name, kind, default=default, annotation=_Named(_type(about, schema))))
    if not properties and (not isinstance(schema, Mapping) or schema.get("additionalProperties") is not False):
        parameters.append(inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD))
    returned = _Named(returns) if isinstance(returns, str) and returns else inspect.Signature.empty
    return inspect.Signature(parameters, return_annotation=returned)


def document(description: Any, schema: Any) -> str:
    """A docstring."""
    lines = [description.strip() if isinstance(description, str) and description else "A tool of the server."]
    about = {name: each for name, each in properties_of(schema).items() if isinstance(each, dict)}
    if told := [f"    {name}: {each['description']}" for name, each in about.items() if each.get("description")]:
        lines += ["", "Args:", *told]
    return "\n".join(lines)


def type_of(schema: Any) -> str:
    """The type of what a schema describes."""
    return _type(schema, schema)


def _type(about: Any, root: Any, depth: int = 0) -> str:
    text = _written(about, root, depth) if isinstance(about, Mapping) and depth <= _DEEPEST else "Any"
    return text if len(text) <= _LONGEST else "Any"


def _written(about: Mapping[str, Any], root: Any, depth: int) -> str:
    kind, items = about.get("type"), about.get("items")
    if isinstance(about.get("$ref"), str):
        return _type(_referred(root, about["$ref"]), root, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        options = about.get(name)
        if isinstance(options, list) and 0 < len(options) <= (1 if name == "allOf" else _MOST_OPTIONS):
            return " | ".join(dict.fromkeys(_type(option, root, depth + 1) for option in options))
    if "const" in about or isinstance(about.get("enum"), list):
        return f"Literal[{', '.join(map(repr, about.get('enum', [about.get('const')])))}]"
    if isinstance(kind, list):
        return " | ".join(_TYPES.get(str(one), "Any") for one in kind)
    if kind == "array" and isinstance(items, Mapping):
        return f"list[{_type(items, root, depth + 1)}]"
    return _TYPES.get(str(kind), "Any")


def _referred(root: Any, reference: str) -> Any:
    """What a reference within the schema leads to; any other leads nowhere."""
    found, parts = root, reference.split("/")
    if parts[0] != "#":
        return None
    for part in parts[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
