from __future__ import annotations

import base64
import json
from typing import Any

import pytest

RICH = """\
class Rich:
    def __repr__(self): return 'rich'
    def _repr_html_(self): return '<b>rich</b>'
    def _repr_png_(self): return b'PNG'
    def _repr_svg_(self): return '<svg/>'
    def _repr_latex_(self): return '$x$'
    def _repr_markdown_(self): return '**rich**'
    def _repr_json_(self): return {'n': float('nan'), 'inf': [float('inf'), 1.5], 3: (1, 2)}
"""


def test_a_value_is_shown_by_its_own_methods(notebook: Any) -> None:
    ran = notebook.run(RICH + "Rich()")
    assert ran.mains == [
        {
            "text/plain": "rich",
            "text/html": "<b>rich</b>",
            "text/markdown": "**rich**",
            "text/latex": "$x$",
            "image/svg+xml": "<svg/>",
            "image/png": base64.b64encode(b"PNG").decode(),
            "application/json": {"n": None, "inf": [None, 1.5], "3": [1, 2]},
        }
    ]


def test_display_shows_values_in_order_beside_the_result(notebook: Any) -> None:
    ran = notebook.run("display(1, 'two')\ndisplay({'text/plain': 'raw', 'text/html': '<i/>'}, raw=True)\n3")
    assert ran.shown == [
        {"text/plain": "1"},
        {"text/plain": "'two'"},
        {"text/plain": "raw", "text/html": "<i/>"},
    ]
    assert ran.text == "3"


def test_a_whole_bundle_can_be_given(notebook: Any) -> None:
    ran = notebook.run(
        "class Chart:\n    def __repr__(self): return 'chart'\n"
        "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
        "        return {'application/vnd.chart+json': {'x': [1]}, 'text/html': '<p>'}, "
        "{'text/html': {}}\nChart()"
    )
    assert ran.mains == [{"text/plain": "chart", "application/vnd.chart+json": {"x": [1]}, "text/html": "<p>"}]


def test_what_fails_is_left_out_in_silence(notebook: Any) -> None:
    ran = notebook.run(
        "class Bad:\n    def __repr__(self): 1 / 0\n    def _repr_html_(self): 1 / 0\n"
        "    def _repr_png_(self): return 5\n    def _repr_latex_(self): return '$y$'\nBad()"
    )
    assert ran.mains == [{"text/plain": "<unprintable Bad object>", "text/latex": "$y$"}]
    assert (ran.stdout, ran.stderr) == ("", "")


def test_a_class_is_not_shown_by_the_methods_of_its_objects(notebook: Any) -> None:
    assert list(notebook.run(RICH + "Rich").mains[0]) == ["text/plain"]


def test_an_object_that_answers_to_every_name_is_shown_plainly(notebook: Any) -> None:
    ran = notebook.run(
        "class Any:\n    def __getattr__(self, name): return lambda *a, **k: name\n"
        "    def __repr__(self): return 'any'\nAny()"
    )
    assert ran.mains == [{"text/plain": "any"}]


def test_text_is_valid_and_bounded(notebook: Any) -> None:
    assert notebook.run("class S:\n    def __repr__(self): return 'a\\udc80'\nS()").text == "a\\udc80"
    text = notebook.run("'x' * 10 ** 6").text
    assert len(text) < 66_000
    assert "characters left out" in text


def test_what_is_too_rich_is_left_out(notebook: Any) -> None:
    ran = notebook.run(
        "class Huge:\n    def __repr__(self): return 'huge'\n"
        "    def _repr_html_(self): return 'x' * (9 << 20)\n"
        "    def _repr_json_(self): return ['x' * (9 << 20)]\nHuge()"
    )
    assert ran.mains == [{"text/plain": "huge"}]


@pytest.mark.parametrize("value", ["loop", "deep", "{'k': object()}", "{1: {2, 3}}", "['\\udc80']", "10 ** 5000"])
def test_json_is_strict_or_absent(notebook: Any, value: str) -> None:
    ran = notebook.run(
        "loop = []; loop.append(loop)\ndeep = 1\nfor _ in range(10_000): deep = [deep]\n"
        f"class J:\n    def __repr__(self): return 'j'\n    def _repr_json_(self): return {value}\nJ()"
    )
    assert ran.text == "j"
    json.dumps(ran.mains[0], allow_nan=False).encode()


def test_a_data_frame_is_text_html_and_data(data_notebook: Any) -> None:
    ran = data_notebook.run(
        "import pandas as pd, numpy as np, datetime, decimal\n"
        "pd.DataFrame({'n': [1, 2], 'f': [0.5, float('inf')], 's': ['a', None],\n"
        "  't': [pd.Timestamp('2024-01-02 03:04'), pd.NaT], 'd': [decimal.Decimal('1.5'), {'k': 1}],\n"
        "  'c': pd.Categorical(['x', None]), 'i': pd.array([1, None], dtype='Int64'), 'b': [True, False],\n"
        "  'o': [np.float64('nan'), np.int8(4)], 'u': [datetime.date(2024, 1, 2), 2 ** 2000]})"
    )
    data = ran.mains[0]
    assert set(data) == {"text/plain", "text/html", "application/json"}
    table = data["application/json"]
    assert table["columns"] == ["n", "f", "s", "t", "d", "c", "i", "b", "o", "u"]
    assert table["rows"] == 2
    assert table["records"][0] == {
        "n": 1,
        "f": 0.5,
        "s": "a",
        "t": "2024-01-02T03:04:00",
        "d": "1.5",
        "c": "x",
        "i": 1,
        "b": True,
        "o": None,
        "u": "2024-01-02",
    }
    second = table["records"][1]
    assert [second[name] for name in "nfstdcibo"] == [2, None, None, None, "{'k': 1}", None, None, False, 4]


@pytest.mark.parametrize(
    ("code", "columns", "first"),
    [
        ("pd.Series([1.5, 2], name='x')", ["x"], {"x": 1.5}),
        ("pd.Series([1], index=['a'])", ["index", "value"], {"index": "a", "value": 1}),
        ("df.groupby('city').n.sum()", ["city", "n"], {"city": "Bern", "n": 3}),
        ("df.groupby(['city', 'n']).size()", ["city", "n", "value"], {"city": "Bern", "n": 1, "value": 1}),
        ("df.groupby('city').agg({'n': ['min', 'max']})", ["city", "n / min", "n / max"], None),
        ("pd.DataFrame([[1, 2]], columns=['x', 'x'])", ["x", "x.1"], {"x": 1, "x.1": 2}),
        ("pd.DataFrame([[1]], columns=[0])", ["0"], {"0": 1}),
        ("pd.DataFrame()", [], None),
    ],
)
def test_tables_of_all_shapes_are_data(data_notebook: Any, code: str, columns: list[str], first: Any) -> None:
    data_notebook.run("import pandas as pd\ndf = pd.DataFrame({'city': ['Bern', 'Bern', 'Genf'], 'n': [1, 2, 5]})")
    table = data_notebook.run(code).mains[0]["application/json"]
    assert table["columns"] == columns
    assert first is None or table["records"][0] == first


def test_large_tables_are_data_in_part(data_notebook: Any) -> None:
    data_notebook.run("import numpy as np, pandas as pd")
    long = data_notebook.run("pd.DataFrame({'a': range(10 ** 6)})").mains[0]["application/json"]
    assert (len(long["records"]), long["rows"]) == (100, 10**6)
    wide = data_notebook.run("pd.DataFrame(np.zeros((50, 5000)))").mains[0]["application/json"]
    assert (len(wide["columns"]), len(wide["records"]), wide["rows"]) == (200, 50, 50)


def test_images_are_png(data_notebook: Any) -> None:
    ran = data_notebook.run("from PIL import Image\nImage.new('RGB', (2, 2))")
    assert set(ran.mains[0]) == {"text/plain", "image/png"}
    assert base64.b64decode(ran.mains[0]["image/png"]).startswith(b"\x89PNG")


def test_sympy_is_latex(notebook: Any) -> None:
    ran = notebook.run("import sympy\nsympy.Symbol('x') ** 2")
    assert ran.mains[0]["text/latex"].strip("$") == "\\displaystyle x^{2}"
