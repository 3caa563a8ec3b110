"""The page at /docs: the description of /openapi.json for people, as plain HTML that runs and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Described = Mapping[str, Any]

# Whatever else this origin serves, its own pages run no script.
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
_METHODS = ("get", "put", "post", "patch", "delete")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
code { font-size: 0.9em; } summary { cursor: pointer; } details { margin: 0.3em 0; }
details > :not(summary) { margin-left: 1.2em; } p { white-space: pre-line; }
td { vertical-align: top; padding: 0 1em 0.2em 0; } :root { color-scheme: light dark; }
"""


def page(description: Described) -> str:
    """All routes, and all fields of what they take and give."""
    about = description["info"]
    title = escape(f"{about['title']} {about['version']}")
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>',
            f"<h1>{title}</h1><p>{escape(about.get('summary', ''))}</p>",
            '<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>',
            *_routes(description["paths"]),
            "<h2>Bodies</h2>",
            *(_schema(name, schema) for name, schema in sorted(description["components"]["schemas"].items())),
            "</html>",
        ]
    )


def _routes(paths: Described) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method in _METHODS:
            if method in methods:
                tag = (methods[method].get("tags") or ["more"])[0]
                by_tag.setdefault(tag, []).append(_route(method, path, methods[method]))
    for tag, routes in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        yield from routes


def _route(method: str, path: str, operation: Described) -> str:
    first, _, more = operation.get("description", "").partition("\n")
    parameters = [(each["name"], each.get("schema", {}), each) for each in operation.get("parameters", ())]
    body = _content(operation.get("requestBody", {}))
    done = {status: answer for status, answer in operation["responses"].items() if status[0] not in "45"}
    errors = sorted(operation["responses"].keys() - done)
    parts = [
        f"<p>{escape(more.strip())}</p>" if more else "",
        _table(parameters),
        f"<p>Takes {body}</p>" if body else "",
        *(f"<p>{status}: {escape(answer['description'])} {_content(answer)}</p>" for status, answer in done.items()),
        f"<p>Errors: {', '.join(errors)}</p>" if errors else "",
    ]
    summary = f"<code>{method.upper()} {escape(path)}</code> {escape(first)}"
    return f"<details><summary>{summary}</summary>{''.join(parts)}</details>"


def _content(described: Described) -> str:
    return ", ".join(
        f"<code>{escape(mime)}</code> {_type(content.get('schema', {}))}"
        for mime, content in described.get("content", {}).items()
    )


def _schema(name: str, schema: Described) -> str:
    required = schema.get("required", ())
    fields = [
        (field, its, {"required": field in required, **its}) for field, its in schema.get("properties", {}).items()
    ]
    what = f"<p>{escape(schema.get('description', ''))}</p>{_table(fields) or _type(schema)}"
    return f'<details open id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{what}</details>'


def _table(fields: Sequence[tuple[str, Described, Described]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' (required)' if about.get('required') is True else ''}"
        f"<td>{_type(schema)}<td>{escape(about.get('description', ''))}"
        for name, schema, about in fields
    )
    return f"<table>{rows}</table>" if rows else ""


def _type(schema: Described) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(each) for each in either)
    if "const" in schema or "enum" in schema:
        return " or ".join(f"<code>{escape(repr(each))}</code>" for each in schema.get("enum") or [schema["const"]])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))
