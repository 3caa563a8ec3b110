"""Values as MIME bundles, and `display()`."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any, Callable

from . import tables
from .tracebacks import clean, clip, name_of

Bundle = dict[str, Any]

_MOST_TEXT = 64 * 1024
_MOST_RICH = 8 * 1024 * 1024
_JSON = "application/json"
_METHODS = (
    ("text/html", "_repr_html_"),
    ("text/markdown", "_repr_markdown_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"),
    ("text/latex", "_repr_latex_"),
    (_JSON, "_repr_json_"),
    ("application/pdf", "_repr_pdf_"),
)
_dumps, _loads = json.dumps, json.loads
_PLAIN = frozenset([int, float, str, bool, complex, bytes, list, tuple, dict, set, frozenset])


def _drop(data: Bundle, main: bool) -> None:
    pass


_sink: Callable[[Bundle, bool], None] = _drop


def connect(sink: Callable[[Bundle, bool], None]) -> None:
    """Say where bundles go from now on."""
    global _sink
    _sink = sink


def emit(data: Bundle, main: bool = False) -> None:
    """Publish a finished bundle; an empty one is nothing to show."""
    if data:
        _sink(data, main)


def display(*values: Any, raw: bool = False, **options: Any) -> None:
    """Show values, richly where they can be.

    Args:
        values: what to show.
        raw: the values are MIME bundles already.
        options: taken as IPython's `display` takes them, and without effect.
    """
    for value in values:
        emit(finish(value) if raw else bundle(value))


show: Callable[..., Any] = display


def bundle(value: Any) -> Bundle:
    """Return the MIME bundle of a value, by its own ``_repr_*_`` methods."""
    data: Bundle = {"text/plain": _text(value)}
    kind = type(value)
    if kind not in _PLAIN:
        data.update(_own_bundle(kind, value))
        for mime, name in _METHODS:
            if mime not in data:
                data[mime] = _call(kind, name, value)
    return complete(value, data)


def complete(value: Any, data: Bundle) -> Bundle:
    """Add to a value's bundle what the environment's well-known types need, and make it safe to send."""
    if type(value) not in _PLAIN:
        _add_known(value, data)
    if data.get("image/png") is not None:
        data.pop("image/jpeg", None)
    finished = finish(data)
    if "text/plain" not in finished:
        finished["text/plain"] = unprintable(value)
    return finished


def finish(data: Bundle) -> Bundle:
    """Keep of a bundle what can be sent: base64 for bytes, strict JSON, valid UTF-8, nothing huge."""
    finished: Bundle = {}
    for mime, content in data.items():
        sendable = None if content is None else _sendable(str(mime), content)
        if sendable is not None:
            finished[str(mime)] = sendable
    return finished


def unprintable(value: Any) -> str:
    """Return what stands for a value that has no text."""
    return f"<unprintable {name_of(type(value))} object>"


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return unprintable(value)


def _own_bundle(kind: type, value: Any) -> Bundle:
    method = getattr(kind, "_repr_mimebundle_", None)
    if method is None:
        return {}
    try:
        data = method(value, include=None, exclude=None)
        return dict(data[0] if isinstance(data, tuple) else data)
    except Exception:
        return {}


def _call(kind: type, name: str, value: Any) -> Any:
    # Looked up on the class: an object that answers to every name must not seem to have them all.
    method = getattr(kind, name, None)
    if method is None:
        return None
    try:
        content = method(value)
    except Exception:
        return None
    return content[0] if isinstance(content, tuple) else content


def _add_known(value: Any, data: Bundle) -> None:
    figure = sys.modules.get("matplotlib.figure")
    if figure is not None and isinstance(value, getattr(figure, "Figure", ())):
        _add_figure(value, data)
    elif data.get(_JSON) is None:
        data[_JSON] = tables.records_of(value)


def _add_figure(value: Any, data: Bundle) -> None:
    from . import figures

    try:
        data.update(figures.draw(value))
    except Exception:
        return


def _sendable(mime: str, content: Any) -> Any:
    if isinstance(content, (bytes, bytearray)):
        content = base64.b64encode(content).decode("ascii")
    if isinstance(content, str):
        return _sendable_text(mime, content)
    return json_of(content) if mime == _JSON or mime.endswith("+json") else None


def _sendable_text(mime: str, content: str) -> str | None:
    text = clean(str.__str__(content))
    if mime == "text/plain":
        return clip(text, _MOST_TEXT)
    return text if len(text) <= _MOST_RICH else None


def json_of(value: Any) -> Any:
    """Return the value as strict JSON (no NaN, string keys, text for the rest), None if it is too large."""
    try:
        text = _dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        try:
            text = _dumps(_strict(value, 0), allow_nan=False, ensure_ascii=False)
        except Exception:
            return None
    return _loads(text.encode("utf-8", "replace")) if len(text) <= _MOST_RICH else None


def _strict(value: Any, depth: int) -> Any:
    if depth > 50:
        return None
    if isinstance(value, dict):
        return {str(key): _strict(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_strict(item, depth + 1) for item in value]
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return clip(str(value), 1000)
