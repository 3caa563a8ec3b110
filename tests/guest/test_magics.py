"""Shell and magic lines that work with IPython and without."""

from __future__ import annotations

import os
from typing import Any

import pytest


@pytest.fixture
def shell(notebook: Any) -> Any:
    notebook.run("import os, tempfile; os.chdir(tempfile.mkdtemp())")
    return notebook


def test_a_shell_line_writes_to_the_streams(shell: Any) -> None:
    ran = shell.run("print('before')\n!echo out; echo err >&2; exit 3\nprint('after')")
    assert ran.stdout == "before\nout\nafter\n"
    assert ran.stderr == "err\n"
    assert shell.run("_exit_code").text == "3"


def test_the_shell_is_bash_and_reads_nothing(shell: Any) -> None:
    assert shell.run("!read x; [[ -z $x ]] && echo {a,b}").stdout == "a b\n"


def test_a_signal_that_ends_a_command_is_its_exit_code(shell: Any) -> None:
    shell.run("!kill -TERM $$")
    assert shell.run("_exit_code").text == "143"


def test_the_output_of_a_command_is_a_list_of_lines(shell: Any) -> None:
    assert shell.run("lines = !echo one; echo two\nlines[1], len(lines)").text == "('two', 2)"
    assert shell.run("found = {}\nfound['x'] = !echo hi\nlist(found['x'])").text == "['hi']"


def test_values_are_put_into_commands(shell: Any) -> None:
    shell.run("word = 'hello'; n = 2")
    assert shell.run("!echo $word {n + 1}").stdout == "hello 3\n"
    assert shell.run("!x=7; echo $x").stdout == "7\n"
    assert shell.run("!echo a b | awk '{print $2}'").stdout == "b\n"


def test_lines_in_blocks_and_strings(shell: Any) -> None:
    ran = shell.run(
        "for i in range(2):\n    !echo $i\n    if i:\n        x = !echo deep\ntext = '''\n!no\n%d\n"
        "''' % (3)\nx[0], text"
    )
    assert ran.stdout == "0\n1\n"
    assert ran.text == repr(("deep", "\n!no\n3\n"))


def test_continued_lines(shell: Any) -> None:
    assert shell.run("!echo one \\\n  two\nprint('three')").stdout == "one two\nthree\n"


def test_output_goes_where_the_code_has_sent_standard_output(shell: Any) -> None:
    ran = shell.run(
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as got:\n    !echo kept\ngot.getvalue()"
    )
    assert (ran.text, ran.stdout) == ("'kept\\n'", "")


def test_changing_the_folder(shell: Any) -> None:
    shell.run("os.mkdir('sub')")
    shell.run("%cd sub")
    assert shell.run("os.path.basename(os.getcwd())").text == "'sub'"
    assert shell.run("where = %pwd\nwhere == os.getcwd()").text == "True"


def test_environment_variables(shell: Any) -> None:
    assert shell.run("%env SOME_NAME=5").stdout == "env: SOME_NAME=5\n"
    assert shell.run("!echo $SOME_NAME").stdout == "5\n"
    assert shell.run("%env SOME_NAME").text == "'5'"


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_a_whole_cell_of_shell(shell: Any, name: str) -> None:
    ran = shell.run(f"%%{name}\nx=1\necho $x {{}}\necho err >&2\nexit 4")
    assert (ran.stdout, ran.stderr) == ("1 {}\n", "err\n")
    assert (ran.error.name, ran.error.value) == (
        "CalledProcessError",
        f"Command '%%{name}' returned non-zero exit status 4.",
    )
    assert "insitu" not in ran.error.traceback
    assert shell.run("_exit_code").text == "4"
    assert shell.run(f"%%{name}\ntrue").error is None


def test_times(shell: Any) -> None:
    assert "Wall time" in shell.run("%time sum(range(10))").stdout
    assert "Wall time" in shell.run("%%time\ny = 1\ny").stdout
    assert "per loop" in shell.run("%timeit -n 3 -r 2 y + 1").stdout
    assert "per loop" in shell.run("%%timeit -n 3 -r 2\ny + 1").stdout


def test_writing_a_file(shell: Any) -> None:
    shell.run("%%writefile a.txt\none\n%two\n")
    shell.run("%%writefile -a a.txt\nthree")
    assert shell.run("open('a.txt').read().split()").text == "['one', '%two', 'three']"


def test_running_a_file(shell: Any) -> None:
    shell.run("%%writefile a.py\nimport sys\nvalue = sys.argv[1]")
    shell.run("%run a.py word")
    assert shell.run("value").text == "'word'"


def test_capture(shell: Any) -> None:
    assert shell.run("%%capture got\nimport sys\nprint('out')\nprint('err', file=sys.stderr)").stdout == ""
    assert shell.run("got.stdout, got.stderr, str(got)").text == repr(("out\n", "err\n", "out\n"))


def test_what_needs_no_doing_is_accepted(shell: Any) -> None:
    assert shell.run("%matplotlib inline\nx = 1\nx").text == "1"


def test_an_indented_cell_runs(shell: Any) -> None:
    assert shell.run("    x = 3\n    x").text == "3"


def test_pip_runs_and_says_why_it_fails(shell: Any) -> None:
    assert "pip" in shell.run("%pip --version").stdout
    ran = shell.run("%pip install ./nothing.whl")
    assert "code here runs without a network" in ran.stderr


def test_help_shows_the_docstring(shell: Any) -> None:
    shell.run("def helpful(n):\n    'It helps.'")
    ran = shell.run("helpful?")
    assert "It helps." in ran.stdout or "It helps." in ran.shown[0]["text/plain"]


def test_a_syntax_error_beside_a_shell_line_is_still_one(shell: Any) -> None:
    ran = shell.run("!echo hi\nx = = 1")
    assert (ran.error.name, ran.stdout) == ("SyntaxError", "")
    assert 'File "<cell 2>", line 2\n' in ran.error.traceback


def test_an_unknown_magic_names_what_is_missing(plain: Any) -> None:
    ran = plain.run("%sql select 1")
    assert ran.error.name == "MagicNotAvailable"
    assert ran.error.value.startswith("%sql is not available: the environment has no IPython, which most magics need;")
    assert "%cd" in ran.error.value
    assert plain.run("%%javascript\nalert()").error.value.startswith("%%javascript is not available")


def test_line_numbers_are_kept(plain: Any) -> None:
    ran = plain.run("!true \\\n  && true\n%pwd\n1 / 0")
    assert 'File "<cell 1>", line 4, in <module>' in ran.error.traceback
    assert os.linesep == "\n"
