from __future__ import annotations

from typing import Any

import pytest


def frames(ran: Any) -> list[str]:
    return [line.strip() for line in ran.error.traceback.splitlines() if line.startswith("  File")]


def test_a_traceback_shows_the_users_frames_alone(notebook: Any) -> None:
    notebook.run("def inner(n):\n    return 1 / n")
    ran = notebook.run("def outer():\n    return inner(0)\nouter()")
    assert frames(ran) == [
        'File "<cell 2>", line 3, in <module>',
        'File "<cell 2>", line 2, in outer',
        'File "<cell 1>", line 2, in inner',
    ]
    assert "    return 1 / n\n" in ran.error.traceback
    assert ran.error.value == "division by zero"


def test_library_frames_below_the_users_are_kept(notebook: Any) -> None:
    ran = notebook.run("import json\njson.loads('{')")
    assert frames(ran)[0] == 'File "<cell 1>", line 2, in <module>'
    assert "/json/decoder.py" in frames(ran)[-1]
    assert "insitu" not in ran.error.traceback


def test_top_level_await_shows_no_event_loop(notebook: Any) -> None:
    notebook.run("import asyncio\nasync def fail():\n    await asyncio.sleep(0)\n    raise ValueError('late')")
    ran = notebook.run("await fail()")
    assert frames(ran) == ['File "<cell 2>", line 1, in <module>', 'File "<cell 1>", line 4, in fail']


def test_a_syntax_error_points_at_its_place(notebook: Any) -> None:
    ran = notebook.run("x = 1\ny = = 2")
    assert ran.error.traceback == ('  File "<cell 1>", line 2\n    y = = 2\n        ^\nSyntaxError: invalid syntax\n')


def test_a_cause_and_a_context_are_shown(notebook: Any) -> None:
    ran = notebook.run(
        "try:\n    try: 1 / 0\n    except ZeroDivisionError as e: raise KeyError('k') from e\n"
        "except KeyError: raise ValueError('v')"
    )
    assert "The above exception was the direct cause" in ran.error.traceback
    assert "During handling of the above exception" in ran.error.traceback
    assert frames(ran) == [f'File "<cell 1>", line {line}, in <module>' for line in (2, 3, 4)]


def test_an_exception_group_is_shown_with_its_members(notebook: Any) -> None:
    if notebook.run("ExceptionGroup").error is not None:
        pytest.skip("needs exception groups")
    ran = notebook.run(
        "def fail(n): raise ValueError(n)\nerrors = []\nfor n in (1, 2):\n    try: fail(n)\n"
        "    except ValueError as e: errors.append(e)\nraise ExceptionGroup('two', errors)"
    )
    assert ran.error.name == "ExceptionGroup"
    assert ran.error.traceback.count("ValueError: ") == 2
    assert "insitu" not in ran.error.traceback


def test_a_recursion_is_shown_short(notebook: Any) -> None:
    ran = notebook.run("def f(): f()\nf()")
    assert "[Previous line repeated" in ran.error.traceback
    assert len(ran.error.traceback) < 2000


def test_a_very_deep_traceback_is_bounded(notebook: Any) -> None:
    ran = notebook.run(
        "import sys; sys.setrecursionlimit(20_000)\n"
        "def a(n): return b(n + 1)\ndef b(n): return a(n + 1) if n < 9000 else 1 / 0\na(0)"
    )
    assert ran.error.name == "ZeroDivisionError"
    assert len(ran.error.traceback) < 66_000
    assert ran.error.traceback.startswith("Traceback (most recent call last):\n")
    assert ran.error.traceback.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E", "<E: its text cannot be shown>"),
        ("class E(Exception):\n    __module__ = 5\nraise E('x')", "E", "x"),
        ("raise type('Odd Name\\n', (Exception,), {})('x')", "Odd Name\n", "x"),
        (
            (
                "class M(type):\n    __name__ = property(lambda cls: 1 / 0)\n"
                "class E(Exception, metaclass=M): pass\n"
                "raise E('x')"
            ),
            "E",
            "x",
        ),
        ("class S(str):\n    def __str__(self): return self\nraise ValueError(S('x'))", "ValueError", "x"),
        ("raise ValueError('\\udc80')", "ValueError", "\\udc80"),
        ("class E(BaseException): pass\nraise E('x')", "E", "x"),
        ("raise KeyError('k')", "KeyError", "'k'"),
    ],
)
def test_odd_exceptions_are_described(notebook: Any, code: str, name: str, value: str) -> None:
    ran = notebook.run(code)
    assert (ran.error.name, ran.error.value) == (name, value)
    assert name.strip() in ran.error.traceback


def test_a_long_message_is_clipped_in_the_middle(notebook: Any) -> None:
    ran = notebook.run("raise ValueError('a' + 'x' * 10 ** 6 + 'z')")
    assert ran.error.value.startswith("ax")
    assert ran.error.value.endswith("xz")
    assert "995908 characters left out" in ran.error.value.replace("\n", "") or "left out" in ran.error.value
    assert len(ran.error.value) < 4200
    assert len(ran.error.traceback) < 66_000


def test_a_warning_shows_the_line_and_comes_again_in_the_next_cell(plain: Any) -> None:
    plain.run("import warnings; warnings.resetwarnings(); warnings.simplefilter('default')")
    for number in (2, 3):
        ran = plain.run("import warnings\nwarnings.warn('careful')")
        assert ran.stderr == f"<cell {number}>:2: UserWarning: careful\n  warnings.warn('careful')\n"
