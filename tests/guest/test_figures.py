from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(params=["ahead", "on demand", "ahead, plain", "on demand, plain"])
def plots(request: pytest.FixtureRequest, open_notebook: Callable[..., Any]) -> Any:
    """A notebook in which pyplot was imported before the fork, or not, with IPython or without."""
    options = ["--plain"] if "plain" in request.param else []
    if "ahead" in request.param:
        options += ["numpy", "pandas", "matplotlib.pyplot", "PIL.Image"]
    notebook = open_notebook(*options)
    assert notebook.run("import matplotlib.pyplot as plt").error is None
    return notebook


def sizes(bundles: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The pixel sizes of the PNGs."""
    headers = [base64.b64decode(bundle["image/png"])[:24] for bundle in bundles]
    assert all(header.startswith(b"\x89PNG\r\n\x1a\n") for header in headers)
    return [(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) for head in headers]


def test_open_figures_are_shown_at_the_end_of_the_cell_in_order(plots: Any) -> None:
    ran = plots.run(
        "plt.figure(figsize=(8, 2)); plt.plot([1])\nplt.figure(figsize=(2, 8)); plt.plot([1])\nplt.figure(1);"
    )
    (wide, tall) = sizes(ran.shown)
    assert wide[0] > wide[1]
    assert tall[0] < tall[1]
    assert ran.shown[0]["text/plain"] == "<Figure size 800x200 with 1 Axes>"
    assert plots.run("plt.get_fignums()").text == "[]"


def test_show_publishes_at_once_and_closes(plots: Any) -> None:
    ran = plots.run("plt.plot([1, 2])\nplt.show()\ndisplay('after', plt.get_fignums())")
    assert [bundle["text/plain"] for bundle in ran.shown] == [
        "<Figure size 640x480 with 1 Axes>",
        "'after'",
        "[]",
    ]


def test_a_figure_that_was_shown_is_not_shown_again(plots: Any) -> None:
    assert len(plots.run("fig, ax = plt.subplots()\n_ = ax.plot([1])\ndisplay(fig)").shown) == 1
    ran = plots.run("fig, ax = plt.subplots()\n_ = ax.plot([1])\nfig")
    assert (len(ran.mains), len(ran.shown)) == (1, 0)
    assert "image/png" in ran.mains[0]
    assert len(plots.run("fig, ax = plt.subplots()\n_ = ax.plot([1])\nfig.show()").shown) == 1


def test_a_figure_that_was_changed_since_is_shown_again(plots: Any) -> None:
    assert len(plots.run("fig, ax = plt.subplots()\ndisplay(fig)\n_ = ax.plot([1])").shown) == 2


def test_a_closed_figure_is_not_shown(plots: Any) -> None:
    assert plots.run("plt.plot([1]); plt.close()").shown == []


def test_figures_are_shown_though_the_cell_fails(plots: Any) -> None:
    ran = plots.run("plt.plot([1])\n1 / 0")
    assert ran.error.name == "ZeroDivisionError"
    assert len(sizes(ran.shown)) == 1


def test_a_figure_that_cannot_be_drawn_is_the_cells_error(plots: Any) -> None:
    ran = plots.run("_ = plt.title('$\\\\bad{$')")
    assert ran.error.name == "ValueError"
    assert plots.run("plt.get_fignums()").text == "[]"


def test_saving_is_left_alone(plots: Any) -> None:
    plots.run("import os, tempfile; os.chdir(tempfile.mkdtemp())")
    ran = plots.run("plt.plot([1]); plt.savefig('a.png', dpi=10); plt.close()\nopen('a.png', 'rb').read(24)[16:]")
    assert ran.text == repr(b"\x00\x00\x00@\x00\x00\x000")


def test_agg_chosen_by_the_code_still_shows_figures(plots: Any) -> None:
    ran = plots.run("import matplotlib\nmatplotlib.use('Agg')\nplt.plot([1])\nplt.show()")
    assert len(sizes(ran.shown)) == 1
    assert ran.stderr == ""


def test_a_program_that_the_code_starts_has_a_backend_of_its_own(plots: Any) -> None:
    ran = plots.run(
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', "
        "'import matplotlib.pyplot as plt; '\n"
        "'plt.plot([1]); plt.show(); print(plt.get_backend())'], capture_output=True, text=True).stdout)"
    )
    assert ran.stdout.lower().strip() == "agg"


def test_an_image_too_large_is_a_note(plots: Any) -> None:
    ran = plots.run(
        "import numpy as np\nplt.figure(figsize=(30, 30))\nplt.imshow(np.random.rand(2000, 2000, 3))\nplt.axis('off');"
    )
    assert len(ran.shown) == 1
    assert "save it to a file" in ran.shown[0]["text/plain"]
    assert "image/png" not in ran.shown[0]


def test_an_empty_figure_is_text(plots: Any) -> None:
    assert plots.run("plt.figure();").shown == [{"text/plain": "<Figure size 640x480 with 0 Axes>"}]


def test_figures_in_a_captured_cell_are_captured(data_notebook: Any) -> None:
    ran = data_notebook.run("%%capture got\nimport matplotlib.pyplot as plt\nplt.plot([1])\nprint('hi')")
    assert (ran.shown, ran.stdout) == ([], "")
    assert data_notebook.run("got.stdout, len(got.outputs)").text == "('hi\\n', 1)"
