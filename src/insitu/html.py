"""Executions and answers as HTML, for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Answer, Execution, Result, Step

# `sandbox` alone would still let a picture's address carry data out of the notebook.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'\">"
)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def execution_html(execution: Execution) -> str:
    """Everything that code printed, displayed and raised; its own HTML can neither run nor load anything."""
    return f'<div class="insitu-execution">{"".join(_parts(execution))}</div>'


def answer_html(answer: Answer) -> str:
    """The steps, folded, with their figures; then what the model said."""
    return f'<div class="insitu-answer">{"".join(_answer_parts(answer))}</div>'


def _answer_parts(answer: Answer) -> Iterator[str]:
    for step in answer.steps:
        yield from _step(step)
    yield f'<p class="insitu-text" style="white-space:pre-wrap">{escape(answer.text)}</p>'
    if answer.files:
        yield f"<p>{', '.join(f'<code>{escape(file.name)}</code>' for file in answer.files)}</p>"
    if answer.reason:
        yield f"<p><em>incomplete: {escape(answer.reason.replace('_', ' '))}</em></p>"


def _step(step: Step) -> Iterator[str]:
    output = _pre(step.output, "output") if step.output else ""
    yield f"<details><summary>Python</summary>{_pre(step.code, 'code')}{output}</details>"
    for png in step.images:
        yield f'<img alt="figure" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


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
