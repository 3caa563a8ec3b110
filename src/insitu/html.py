"""An execution as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Execution, Result

# `sandbox` alone would still let a picture's address carry data out of the notebook.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'\">"
)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def execution_html(execution: Execution) -> str:
    """Everything that code printed, displayed and raised; its own HTML can neither run nor load anything."""
    return f'<div class="insitu-execution">{"".join(_parts(execution))}</div>'


def _parts(execution: Execution) -> Iterator[str]:
    if execution.stdout:
        yield _pre(execution.stdout, "stdout")
    if execution.stderr:
        yield _pre(execution.stderr, "stderr", "background:rgba(255,0,0,.08)")
    for result in execution.results:
        yield _result(result)
    if execution.error:
        error = execution.error
        yield _pre(error.traceback or f"{error.name}: {error.value}", "error", "color:#b00020")
    if note := _note(execution):
        yield f"<p><em>{escape(note)}</em></p>"


def _result(result: Result) -> str:
    for mime in _IMAGES:
        if isinstance(encoded := result.data.get(mime), str):
            return f'<img alt="{escape(str(result.text or mime))}" src="data:{mime};base64,{escape(encoded)}">'
    if isinstance(markup := result.data.get("text/html"), str):
        return _frame(markup)
    return _pre(str(result.text), "result") if result.text is not None else ""


def _frame(markup: str) -> str:
    # A frame without scripts cannot tell its height: guess it by the rows, and let the reader drag it.
    height = min(400, 40 + 28 * sum(markup.count(tag) for tag in ("<tr", "<p", "<br", "<li")))
    style = f"width:100%;height:{height}px;border:0;resize:vertical;background:#fff"
    document = escape(_POLICY + markup)
    return f'<iframe sandbox="" referrerpolicy="no-referrer" style="{style}" srcdoc="{document}"></iframe>'


def _pre(text: str, name: str, style: str = "") -> str:
    return f'<pre class="insitu-{name}" style="{style}">{escape(text)}</pre>'


def _note(execution: Execution) -> str:
    cut = [name for name in ("stdout", "stderr", "results") if getattr(execution.truncated, name)]
    notes = [f"{', '.join(cut)} cut at the limit"] if cut else []
    if execution.outcome not in {"ok", "error"}:
        notes.append(execution.outcome.replace("_", " "))
    if not execution.state_kept and execution.session_id:
        notes.append("the session's variables are gone")
    return "; ".join(notes)
