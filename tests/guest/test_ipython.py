from __future__ import annotations

from pathlib import Path
from typing import Any


def test_preparing_leaves_nothing_behind(data_notebook: Any) -> None:
    names = data_notebook.run("[name for name in globals() if not name.startswith('_')]").text
    assert names == "['In', 'Out', 'get_ipython']"
    assert data_notebook.run("import threading; threading.active_count()").text == "1"
    data_notebook.run(
        "import os\nfiles = [os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')]"
    )
    assert data_notebook.run("[path for path in files if path.endswith('.ttf')]").text == "[]"
    assert data_notebook.run("len(In), list(Out)").text == "(6, [1, 2, 4])"
    home = Path(data_notebook.run("print(os.environ['HOME'])").stdout.strip())
    assert [path.name for path in home.rglob("*") if path.is_file() and "ipython" in str(path)] == []
    assert data_notebook.run("import sys; hasattr(sys, 'ps1')").text == "False"


def test_it_is_ipython(ipython: Any) -> None:
    assert ipython.run("get_ipython().user_ns is globals()").text == "True"
    assert ipython.run("from IPython import get_ipython as g; g() is get_ipython()").text == "True"
    assert ipython.run("__IPYTHON__").text == "True"


def test_rich_objects_and_the_display_module(ipython: Any) -> None:
    ran = ipython.run(
        "from IPython.display import HTML, Markdown, clear_output, display, update_display\n"
        "display(HTML('<b>x</b>'))\nhandle = display('first', display_id=True)\n"
        "handle.update('second')\nclear_output()\n"
        "Markdown('# hi')"
    )
    assert [bundle.get("text/html") or bundle["text/plain"] for bundle in ran.shown] == [
        "<b>x</b>",
        "'first'",
        "'second'",
    ]
    assert ran.mains[0]["text/markdown"] == "# hi"


def test_a_value_that_shows_itself_has_no_other_result(ipython: Any) -> None:
    ran = ipython.run("class Own:\n    def _ipython_display_(self): print('me')\nOwn()")
    assert (ran.mains, ran.stdout) == ([], "me\n")


def test_long_values_are_printed_prettily(ipython: Any) -> None:
    assert ipython.run("{i: 'x' * 20 for i in range(5)}").text.count("\n") == 4


def test_formatters_that_the_code_registers_are_used(ipython: Any) -> None:
    ipython.run("get_ipython().display_formatter.formatters['text/html'].for_type(int, lambda n: f'<b>{n}</b>');")
    assert ipython.run("5").mains == [{"text/plain": "5", "text/html": "<b>5</b>"}]
    ipython.run("%precision 2")
    assert ipython.run("1 / 3").text == "0.33"


def test_magics_run_the_users_code_in_the_users_namespace(ipython: Any) -> None:
    ran = ipython.run("%%time\nx = 5\nx + 1")
    assert ran.text == "6"
    assert "Wall time" in ran.stdout
    assert ipython.run("x").text == "5"
    assert "loop" in ipython.run("%timeit -n 2 -r 1 x + 1").stdout


def test_an_error_inside_a_magic_is_the_cells_error(ipython: Any) -> None:
    for magic in ("%%time", "%%timeit", "%%capture", "%%capture out"):
        ran = ipython.run(f"{magic}\nx = 1\n1 / 0")
        assert ran.error.name == "ZeroDivisionError"
        assert "IPython" not in ran.error.traceback
        assert ran.stderr == ""


def test_capture(ipython: Any) -> None:
    assert ipython.run("%%capture got\nprint('out')\ndisplay(1)\n2").shown == []
    assert ipython.run("got.stdout, len(got.outputs)").text == "('out\\n', 2)"


def test_options_of_a_shell_cell(ipython: Any) -> None:
    assert ipython.run("%%bash --out got\necho kept").stdout == ""
    assert ipython.run("got").text == "'kept\\n'"


def test_running_a_file(ipython: Any) -> None:
    ipython.run("import os, tempfile; os.chdir(tempfile.mkdtemp())")
    ipython.run("%%writefile script.py\nimport sys\ny = len(sys.argv)\nprint(__name__)")
    assert ipython.run("%run script.py a b").stdout == "__main__\n"
    assert ipython.run("y").text == "3"
    ipython.run("%%writefile bad.py\n1 / 0")
    assert ipython.run("%run bad.py").error.name == "ZeroDivisionError"


def test_names_and_help(ipython: Any) -> None:
    ipython.run("number = 3\ndef helpful():\n    'It helps.'")
    assert ipython.run("%who").stdout.split() == ["helpful", "number"]
    assert "number" in ipython.run("%whos").stdout
    assert "It helps." in ipython.run("helpful?").shown[0]["text/plain"]
    assert "def helpful" in ipython.run("helpful??").shown[0]["text/plain"]
    assert "It helps." in ipython.run("?helpful").shown[0]["text/plain"]


def test_a_magic_without_its_mark_works_where_no_name_hides_it(ipython: Any) -> None:
    ipython.run("import os, tempfile; os.chdir(tempfile.mkdtemp()); open('here.txt', 'w').close()")
    assert ipython.run("ls -a").stdout.split()[-1] == "here.txt"
    assert ipython.run("ls = 7\nls").text == "7"
    assert ipython.run("ls - 3").text == "4"


def test_an_unknown_magic_is_a_short_error(ipython: Any) -> None:
    assert ipython.run("%nonsense").error.traceback == "UsageError: Line magic function `%nonsense` not found.\n"


def test_notebook_boilerplate_is_accepted(ipython: Any) -> None:
    for line in (
        "%matplotlib inline",
        "%config InlineBackend.figure_format = 'retina'",
        "%load_ext autoreload",
        "%autoreload 2",
        "%pylab --no-import-all",
    ):
        ran = ipython.run(line)
        assert ran.error is None, ran.error.traceback
    assert ipython.run("import matplotlib.pyplot as plt\nplt.plot([1]);").shown[0]["image/png"]


def test_autoreload_sees_changed_modules(ipython: Any) -> None:
    ipython.run("import os, sys, tempfile; os.chdir(tempfile.mkdtemp()); sys.path.insert(0, '')")
    ipython.run("%load_ext autoreload\n%autoreload 2")
    ipython.run("%%writefile changing.py\nvalue = 1")
    ipython.run("import changing")
    ipython.run("_ = open('changing.py', 'w').write('value = 22')\nos.utime('changing.py', (2e9, 2e9))")
    assert ipython.run("changing.value").text == "22"


def test_resetting_keeps_the_interpreter_usable(ipython: Any) -> None:
    ipython.run("x = 1")
    ipython.run("%reset -f")
    assert ipython.run("x").error.name == "NameError"
    assert ipython.run("exit(3)").error.exit_code == 3
    assert ipython.run("display(1)").shown == [{"text/plain": "1"}]


def test_input_transformers_of_the_codes_own_are_used(ipython: Any) -> None:
    ipython.run("get_ipython().input_transformers_post.append(lambda ls: [l.replace('three', '3') for l in ls])")
    assert ipython.run("three + 1").text == "4"


def test_syntax_tree_transformers_are_used(ipython: Any) -> None:
    ipython.run(
        "import ast\nclass Double(ast.NodeTransformer):\n"
        "    def visit_Constant(self, node): return ast.copy_location(ast.Constant(node.value * 2), node)\n"
        "get_ipython().ast_transformers.append(Double())"
    )
    assert ipython.run("21").text == "42"
