from __future__ import annotations

import base64
from html.parser import HTMLParser

import pytest

from insitu.html import execution_html
from insitu.types import CodeError, Execution, Outcome, Result, Truncated

HOSTILE = "</pre></iframe><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The elements of a page, and the text of its <pre>."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def made(
    *results: Result,
    outcome: Outcome = "ok",
    stdout: str = "",
    error: CodeError | None = None,
    kept: bool = True,
) -> Execution:
    return Execution("exec_1", "sess_1", outcome, kept, 0, stdout, "", results, error)


def test_shows_output_results_and_traceback_in_order() -> None:
    execution = made(Result({"text/plain": "6"}, main=True), stdout="hello\n", error=CodeError("E", "v", "Trace"))
    assert Page(execution_html(execution)).texts == ["hello\n", "6", "Trace"]


def test_an_execution_shows_itself_in_a_notebook() -> None:
    execution = made(Result({"text/plain": "6"}, main=True))
    assert execution._repr_html_() == execution_html(execution)


def test_an_image_is_preferred_to_its_text() -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    page = Page(execution_html(made(Result({"text/plain": "<Figure>", "image/png": png}))))
    assert page.named("img") == [{"alt": "<Figure>", "src": f"data:image/png;base64,{png}"}]
    assert page.texts == []


def test_html_of_a_result_is_shown_in_a_frame_that_may_do_nothing() -> None:
    page = Page(execution_html(made(Result({"text/html": "<b>bold</b>", "text/plain": "bold"}))))
    (frame,) = page.named("iframe")
    assert frame["sandbox"] == ""
    assert str(frame["srcdoc"]).endswith("<b>bold</b>")
    assert "default-src 'none'" in str(frame["srcdoc"])
    assert page.named("b") == []


@pytest.mark.parametrize(
    "execution",
    [
        made(stdout=HOSTILE),
        made(error=CodeError("E", "v", HOSTILE)),
        made(error=CodeError(HOSTILE, HOSTILE)),
        made(Result({"text/plain": HOSTILE})),
        made(Result({"text/html": HOSTILE})),
        made(Result({"text/plain": HOSTILE, "image/png": HOSTILE})),
    ],
)
def test_nothing_hostile_leaves_its_element(execution: Execution) -> None:
    page = Page(execution_html(execution))
    assert page.named("script") == []
    assert all("onerror" not in attrs for _, attrs in page.tags)
    assert [tag for tag, _ in page.tags] in (["div", "pre"], ["div", "iframe"], ["div", "img"])


def test_a_result_of_no_known_type_shows_nothing() -> None:
    assert [tag for tag, _ in Page(execution_html(made(Result({"application/x": {"a": 1}})))).tags] == ["div"]


def test_says_how_code_ended_and_what_was_cut() -> None:
    execution = Execution(
        "exec_1", "sess_1", "out_of_memory", False, 137, truncated=Truncated(stdout=True, results=True)
    )
    expected = "stdout, results cut at the limit; out of memory; the session's variables are gone"
    assert Page(execution_html(execution)).texts == [expected]
