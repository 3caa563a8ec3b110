from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_the_last_expression_is_the_result(notebook: Any) -> None:
    ran = notebook.run("x = 20\nx + 1\nx + 2")
    assert ran.mains == [{"text/plain": "22"}]
    assert ran.shown == []


@pytest.mark.parametrize("code", ["x = 1", "None", "1;", "1 ; # quiet", "(1\n);", "", "  \n", "# nothing", "'ä;'\n2;"])
def test_some_cells_have_no_result(notebook: Any, code: str) -> None:
    assert notebook.run(code).text is None


@pytest.mark.parametrize("code", ["'a;'", "1 # ;", "x = 1; x", "(\n1\n)"])
def test_a_semicolon_elsewhere_does_not_silence(notebook: Any, code: str) -> None:
    assert notebook.run(code).text is not None


def test_names_last_from_cell_to_cell(notebook: Any) -> None:
    notebook.run("def double(n): return 2 * n\ny = 4")
    assert notebook.run("double(y)").text == "8"


def test_results_are_kept_as_jupyter_does(notebook: Any) -> None:
    notebook.run("'one'")
    notebook.run("'two'")
    notebook.run("'three'")
    assert notebook.run("_, __, ___, _1, Out[2], In[1]").text == repr(("three", "two", "one", "one", "two", "'one'"))


def test_old_results_are_let_go(notebook: Any) -> None:
    notebook.run("class Big: pass\nimport weakref")
    notebook.run("Big()")
    notebook.run("kept = weakref.ref(_); del _")
    for number in range(25):
        notebook.run(f"{number} + 100")
    assert notebook.run("import gc; gc.collect(); kept(), '_2' in globals(), len(Out)").text == "(None, False, 20)"


def test_the_codes_own_underscore_is_left_alone(notebook: Any) -> None:
    notebook.run("for _ in range(3): pass")
    notebook.run("'other'")
    assert notebook.run("_").text == "2"


def test_future_imports_last(notebook: Any) -> None:
    notebook.run("from __future__ import annotations")
    assert notebook.run("def f(x: Missing): pass\nf.__annotations__").text == "{'x': 'Missing'}"


def test_our_own_future_imports_do_not_leak(notebook: Any) -> None:
    assert notebook.run("def f(x: int): pass\nf.__annotations__['x'] is int").text == "True"


def test_main_is_a_real_module(notebook: Any) -> None:
    notebook.run(
        "import dataclasses, pickle, typing, sys, inspect\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n    other: 'Point | None' = None\n"
        "def area(p): return p.x"
    )
    assert notebook.run("pickle.loads(pickle.dumps(Point(3))) == Point(3)").text == "True"
    assert notebook.run("sys.modules['__main__'].area is area, __name__").text == "(True, '__main__')"
    assert notebook.run("typing.get_type_hints(area)").text == "{}"
    assert notebook.run("print(inspect.getsource(area))").stdout == "def area(p): return p.x\n\n"


def test_processes_forked_by_multiprocessing_find_the_codes_functions(notebook: Any) -> None:
    ran = notebook.run(
        "import multiprocessing\n"
        "def square(n): return n * n\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    squares = pool.map(square, "
        "range(4))\n"
        "squares"
    )
    assert ran.text == "[0, 1, 4, 9]"


def test_top_level_await(notebook: Any) -> None:
    ran = notebook.run(
        "import asyncio\n"
        "async def numbers():\n    yield 1\n    yield 2\n"
        "async with asyncio.Lock():\n    got = [n async for n in numbers()]\n"
        "async for n in numbers(): got.append(n)\n"
        "await asyncio.sleep(0, got)"
    )
    assert ran.text == "[1, 2, 1, 2]"


def test_a_task_goes_on_in_the_next_cell_that_awaits(notebook: Any) -> None:
    notebook.run(
        "import asyncio\nasync def work():\n    await asyncio.sleep(0)\n    await asyncio.sleep(0)\n"
        "    return 5\n"
        "task = asyncio.create_task(work())\nawait asyncio.sleep(0)"
    )
    assert notebook.run("task.done()").text == "False"
    assert notebook.run("await task").text == "5"


def test_asyncio_run_works_beside_top_level_await(notebook: Any) -> None:
    notebook.run("import asyncio\nawait asyncio.sleep(0)")
    assert notebook.run("asyncio.run(asyncio.sleep(0, 'ran'))").text == "'ran'"
    assert notebook.run("await asyncio.sleep(0, 'awaited')").text == "'awaited'"


def test_context_variables_set_while_awaiting_last(notebook: Any) -> None:
    notebook.run("import asyncio, contextvars\nv = contextvars.ContextVar('v')")
    notebook.run("await asyncio.sleep(0)\n_ = v.set(7)")
    assert notebook.run("v.get()").text == "7"


def test_output_goes_to_the_descriptors(notebook: Any) -> None:
    ran = notebook.run(
        "import sys, os\nprint('out', flush=True)\nprint('err', file=sys.stderr)\n_ = os.write(1, b'raw')"
    )
    assert sorted(ran.stdout.split()) == ["out", "raw"]
    assert ran.stderr == "err\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("exit()", 0, ""),
        ("quit(4)", 4, ""),
        ("raise SystemExit('stopped')", 1, "stopped\n"),
        ("raise SystemExit(10 ** 5000)", 255, ""),
    ],
)
def test_exit_ends_the_cell_alone(notebook: Any, code: str, exit_code: int, stderr: str) -> None:
    notebook.run("kept = 1")
    ran = notebook.run(code)
    assert (ran.error.name, ran.error.exit_code, ran.stderr) == ("SystemExit", exit_code, stderr)
    assert notebook.run("kept").text == "1"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("input('Name? ')", "input()"),
        ("import getpass; getpass.getpass()", "getpass()"),
        ("import sys; sys.stdin.read()", "sys.stdin"),
        ("import sys; sys.stdin.readline()", "sys.stdin"),
        ("import sys; sys.stdin.buffer.read()", "sys.stdin"),
        ("import sys\nfor line in sys.stdin: pass", "sys.stdin"),
        ("breakpoint()", "breakpoint()"),
        ("import pdb; pdb.set_trace()\n1", "input()"),
    ],
)
def test_asking_for_input_fails_at_once(notebook: Any, code: str, what: str) -> None:
    ran = notebook.run(code)
    assert ran.error.name == "StdinNotAvailable"
    assert ran.error.value == (
        f"{what} is not available here: the code runs on a server with nobody to ask; "
        "pass the value in the code or as a file"
    )


def test_input_reads_a_stream_that_the_code_provides(notebook: Any) -> None:
    assert notebook.run("import io, sys\nsys.stdin = io.StringIO('5\\n')\ninput()").text == "'5'"


def test_a_child_that_falls_out_of_the_cell_ends(notebook: Any) -> None:
    ran = notebook.run(
        "import os\npid = os.fork()\nif pid == 0:\n    print('child')\n    display('from the child')\n"
        "else:\n    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n'last'"
    )
    assert ran.mains == [{"text/plain": "'last'"}]
    assert ran.shown == []
    assert ran.stdout.splitlines() == ["child", "'from the child'", "'last'"]
    assert notebook.run("status").text == "0"


def test_a_child_that_fails_says_so_and_ends_with_one(notebook: Any) -> None:
    ran = notebook.run(
        "import os\npid = os.fork()\nif pid == 0:\n    1 / 0\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )
    assert ran.text == "1"
    assert ran.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("x\0y", "(SyntaxError|ValueError)"),
        ("'\udc80'", "(UnicodeEncodeError|SyntaxError)"),
        ("(" * 5000, "(SyntaxError|MemoryError|RecursionError)"),
        ("-" * 50_000 + "1", "(SyntaxError|MemoryError|RecursionError)"),
        ("return 1", "SyntaxError"),
        ("yield 1", "SyntaxError"),
        ("import sys\nsys.setrecursionlimit(70)\ndef f(): f()\nf()", "RecursionError"),
    ],
)
def test_source_that_cannot_run_is_an_error_of_the_cell(notebook: Any, code: str, name: str) -> None:
    import re

    assert re.fullmatch(name, notebook.run(code).error.name)
    assert notebook.run("1").text == "1"


def test_what_code_breaks_does_not_break_the_runner(notebook: Any) -> None:
    ran = notebook.run(
        "import builtins, json, os, sys, time, traceback\n"
        "json.dumps = os.getpid = time.time = traceback.TracebackException = None\n"
        "builtins.compile = builtins.eval = None\n"
        "sys.excepthook = sys.displayhook = None\n"
        "1 / 0"
    )
    assert ran.error.name == "ZeroDivisionError"
    assert notebook.run("6 * 7").mains == [{"text/plain": "42"}]


def test_two_sandboxes_of_one_zygote_draw_different_numbers(open_notebook: Callable[..., Any]) -> None:
    code = (
        "import numpy, random, tempfile, multiprocessing, ssl\nimport sympy.core.random as sympy_random\n"
        "print(random.random()); print(numpy.random.rand()); print(sympy_random.random())\n"
        "print(next(tempfile._get_candidate_names())); print(multiprocessing.current_process().authkey)\n"
        "print(ssl.RAND_bytes(8)); print(numpy.random.default_rng().random())"
    )
    modules = ("numpy", "random", "tempfile", "multiprocessing", "ssl", "sympy")
    first, second = (open_notebook(*modules).run(code).stdout.splitlines() for _ in range(2))
    assert len(first) == len(second) == 7
    assert not set(first) & set(second)
