from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from insitu import Client, Execution
from tests.cli.commands import Commands, Ended
from tests.support.machine import has_cgroups

PNG = base64.b64encode(b"\x89PNG").decode()
DISPLAY_PNG = f"""
class Image:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {{"image/png": "{PNG}", "text/plain": "<image>"}}
display(Image())
Image()
"""


@pytest.fixture(params=["in this process", "on a server"])
def either(request: pytest.FixtureRequest, insitu: Commands, remote: Commands) -> Commands:
    return insitu if request.param == "in this process" else remote


def test_output_goes_where_the_code_sends_it_and_results_follow(either: Commands) -> None:
    code = "import sys; print('out', end=''); print('err', file=sys.stderr); display('shown'); 6 * 7"
    assert either("run", code) == Ended(0, "out\n'shown'\n42\n", "err\n")


def test_code_comes_from_an_argument_a_file_or_standard_input(remote: Commands, session: str) -> None:
    (remote.folder / "folder").mkdir()
    (remote.folder / "script.py").write_text("# -*- coding: latin-1 -*-\nprint('\xe9')", "latin-1")
    (remote.folder / "folder/script").write_text("print('in a folder')", "utf-8")
    (remote.folder / "x").write_text("1/0", "utf-8")
    assert remote("run", "script.py").out == "\xe9\n"
    assert remote("run", "folder/script").out == "in a folder\n"
    assert remote("run", "folder/nothing", "--session", session).err.endswith("name 'folder' is not defined\n")
    assert remote("run", "x").err.endswith("NameError: name 'x' is not defined\n")
    assert remote("run", "-", stdin="print(1)").out == "1\n"
    assert remote("run", stdin="\ufeffprint(2)").out == "2\n"
    assert remote("run", "").exit_code == 0


def test_what_is_no_source_is_said_to_be_none(insitu: Commands) -> None:
    (insitu.folder / "bad.py").write_bytes(b"print('\xff')")
    ended = insitu("run", "bad.py")
    assert (ended.exit_code, ended.err.splitlines()[0][:33]) == (2, "error: bad.py is no Python source")


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("1", 0, ""),
        ("1/0", 1, "ZeroDivisionError: division by zero\n"),
        ("1 +", 1, "SyntaxError: invalid syntax\n"),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("while True: pass", 124, "error: the code ran longer than its 0.5 s\nhint: allow more with --time SECONDS\n"),
        ("import os; os.kill(os.getpid(), 9)", 137, "error: the interpreter was killed by SIGKILL\n"),
        ("import ctypes; ctypes.string_at(0)", 139, "error: the interpreter was killed by SIGSEGV\n"),
        ("import os; os._exit(9)", 9, "error: the interpreter ended itself with exit code 9\n"),
    ],
)
def test_the_exit_code_is_the_codes(remote: Commands, code: str, exit_code: int, error: str) -> None:
    ended = remote("run", code, "--time", "0.5" if "while" in code else "20")
    assert ended.exit_code == exit_code
    assert ended.err.endswith(error)
    assert ended.err or not error
    assert ("Traceback" in ended.err) is (error.startswith(("Zero", "error: the code ran")))


def test_too_much_memory_ends_with_137(insitu: Commands) -> None:
    if not has_cgroups():
        pytest.skip("this machine lets this user make no cgroups")
    ended = insitu("run", "x = [bytearray(1 << 20) for _ in range(300)]", "--mem", "128m")
    assert (ended.exit_code, ended.out) == (137, "")
    assert ended.err.endswith("error: the session used up its 128 MiB of memory\nhint: allow more with --mem SIZE\n")


def test_files_go_in_and_come_out(either: Commands) -> None:
    (either.folder / "in.csv").write_text("a,b", "utf-8")
    (either.folder / "colon:ed").write_text("c", "utf-8")
    code = """
import os
text = open("in.csv").read() + open("colon:ed").read() + open("deep/other").read()
os.makedirs("new/er")
open("new/er/out.txt", "w").write(text.upper())
os.symlink("/etc/passwd", "link")
None
"""
    given = ("--file", "in.csv", "-f", "colon:ed", "-f", "in.csv:deep/other")
    ended = either("run", code, *given, "--out", "results")
    assert ended == Ended(0, "", "wrote results/new/er/out.txt\n")
    assert (either.folder / "results/new/er/out.txt").read_text("utf-8") == "A,BCA,B"
    assert sorted(path.name for path in (either.folder / "results").rglob("*")) == ["er", "new", "out.txt"]


def test_a_file_that_does_not_fit_is_told_with_both_sizes_and_what_gives_it_room(either: Commands) -> None:
    (either.folder / "big").write_bytes(bytes(3 << 20))
    code = "import os; os.path.getsize('big')"
    ended = either("run", code, "-f", "big", "--disk", "2m")
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.startswith(
        "error: no room for 'big': the session's files may have 2097152 bytes together, at the most; "
        "this one has 3145728\n"
        "hint: allow more with --disk SIZE, and with --mem SIZE, because files are in memory\n"
    )
    assert either("run", code, "-f", "big", "--disk", "4m") == Ended(0, "3145728\n", "")


def test_images_of_results_are_saved_beside_files_of_the_same_names(remote: Commands) -> None:
    ended = remote("run", f"open('image-1.png', 'w').write('mine'); {DISPLAY_PNG}", "-o", "out")
    assert (ended.exit_code, ended.out) == (0, "<image>\n<image>\n")
    assert sorted(ended.err.splitlines()) == [f"wrote out/image-{number}.png" for number in (1, 2, 3)]
    images = [(remote.folder / f"out/image-{number}.png").read_bytes() for number in (1, 2, 3)]
    assert images == [b"mine", b"\x89PNG", b"\x89PNG"]


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        ("xterm", "\x1b[1;31mred\\x1b]0;title\\x07 \\x1b[2J\\x9b31m\\x08\ta\n\x1b[0m"),
        ("dumb", "red\\x1b]0;title\\x07 \\x1b[2J\\x9b31m\\x08\ta\n"),
    ],
)
def test_code_gives_colours_to_a_terminal_and_no_other_order(insitu: Commands, term: str, shown: str) -> None:
    code = r"print('\x1b[1;', end='', flush=True); print('31mred\x1b]0;title\x07 \x1b[2J\x9b31m\x08\ta')"
    with insitu.terminal("run", code, term=term) as terminal:
        assert terminal.end() == Ended(0, shown, "")
    assert insitu("run", code).out == "\x1b[1;31mred\x1b]0;title\x07 \x1b[2J\x9b31m\x08\ta\n"


def test_results_and_tracebacks_do_not_steer_a_terminal_either(insitu: Commands) -> None:
    code = (
        r"display(type('Odd', (), {'__repr__': lambda self: '\x1b[2Jodd'})()); raise ValueError('\x1b]0;x\x07\x1b[31m')"
    )
    with insitu.terminal("run", code, term="xterm") as terminal:
        shown = terminal.end().out
    assert shown.startswith("\\x1b[2Jodd\nTraceback")
    assert shown.endswith("ValueError: \\x1b]0;x\\x07\x1b[31m\n\x1b[0m")


def test_what_is_made_and_not_kept_is_told(either: Commands) -> None:
    lost = f"for name in 'ab': open(name, 'w').close()\n{DISPLAY_PNG[: DISPLAY_PNG.rindex('Image()')]}"
    assert either("run", lost).err == "1 image, 2 files not kept: --out DIR saves them\n"
    assert either("run", "open('a', 'w').close()").err == "1 file not kept: --out DIR saves it\n"
    assert either("run", lost, "--json").err == ""


def test_files_of_a_session_are_kept_in_it(remote: Commands, session: str) -> None:
    assert remote("run", "open('a', 'w').close()", "--session", session).err == ""


def test_json_is_the_whole_execution(either: Commands) -> None:
    ended = either("run", "print('out'); 1/0", "--json")
    execution = Execution.from_dict(json.loads(ended.out))
    assert (ended.exit_code, ended.err) == (1, "")
    assert (execution.outcome, execution.stdout, execution.session_id) == ("error", "out\n", None)
    assert execution.error and execution.error.name == "ZeroDivisionError"


def test_output_that_is_cut_is_said_to_be(remote: Commands) -> None:
    ended = remote("run", "print('x' * (1 << 22))")
    said = "stdout was cut: 1 MiB is kept (INSITU_OUTPUT_BYTES sets how much); --json has its end\n"
    assert (ended.exit_code, ended.err) == (0, said)
    assert ended.out.endswith("x\n[… more output than is streamed …]\n")


def test_code_has_its_arguments(either: Commands) -> None:
    code = "import sys; print(sys.argv)"
    (either.folder / "script.py").write_text(code, "utf-8")
    assert either("run", "script.py").out == "['script.py']\n"
    assert either("run", "script.py", "a b", "é", "--time", "9", "--", "--verbose", "-c").out == (
        "['script.py', 'a b', 'é', '--verbose', '-c']\n"
    )
    assert either("run", "-", "x", stdin=code).out == "['-', 'x']\n"
    assert either("run", code, "x").out == "['-c', 'x']\n"
    unknown = either("run", "script.py", "--verbose")
    assert (unknown.exit_code, unknown.err) == (
        2,
        "error: no such option: --verbose\nhint: for an option of the code's own: insitu run FILE -- --verbose\n",
    )


def test_limits_and_variables_reach_the_code(either: Commands) -> None:
    code = "import os; print(os.environ['A'], os.environ['B'])"
    assert either("run", code, "--env", "A=1=2", "--env", "B=", "--cpus", "0.5").out == "1=2 \n"


def test_over_a_ceiling_the_caller_is_wrong_and_not_the_code(either: Commands) -> None:
    ended = either("run", "1", "--mem", "1t")
    assert (ended.exit_code, ended.out) == (2, "")
    own = ended.err.endswith("\nhint: ask for 8589934592 or less, or set INSITU_MAX_MEMORY_BYTES=1099511627776\n")
    assert own is (either.env.get("INSITU_URL") is None)
    assert ended.err.startswith(
        "error: memory_bytes is 1099511627776, over this server's ceiling of 8589934592\nhint: "
    )


def test_a_ceiling_is_raised_as_the_hint_says(insitu: Commands) -> None:
    assert insitu("run", "1", "--time", "700").err.endswith("or set INSITU_MAX_TIMEOUT_S=700\n")
    assert insitu("run", "1", "--time", "700", env={"INSITU_MAX_TIMEOUT_S": "700"}) == Ended(0, "1\n", "")


def test_more_room_than_memory_is_told_by_its_options(insitu: Commands) -> None:
    assert insitu("run", "1", "--disk", "900m", "--mem", "900m").err.endswith("ask for more --mem or less --disk\n")


def test_a_session_of_a_server_is_found_by_the_start_of_its_id(remote: Commands, session: str) -> None:
    assert remote("run", "x = 41", "--session", session) == Ended(0, "", "")
    assert remote("run", "x + 1", "--session", session[:14]) == Ended(0, "42\n", "")
    ended = remote("run", "x", "--session", session.removeprefix("sess_")[:9], "--json")
    assert json.loads(ended.out)["session_id"] == session


def test_without_a_session_nothing_stays_on_the_server(remote: Commands, client: Client) -> None:
    before = client.sessions()
    assert remote("run", "1/0").exit_code == 1
    assert client.sessions() == before


def test_another_python_has_other_packages(insitu: Commands, tmp_path: Path) -> None:
    ended = insitu("run", "1", "--python", "/nowhere/python")
    assert ended.exit_code == 2
    assert ended.err.startswith("error: the environment 'default' has no working Python at /nowhere/python: ")
    assert ended.err.endswith("hint: name an interpreter, such as --python /path/to/venv/bin/python\n")


def test_a_python_that_is_too_old_to_be_asked_is_told_in_a_sentence(insitu: Commands) -> None:
    old = insitu.folder / "python2"
    old.write_text("#!/bin/sh\necho 'Unknown option: -I' >&2\nexit 2\n", "utf-8")
    old.chmod(0o755)
    assert insitu("run", "1", "--python", str(old)).err.splitlines() == [
        (
            f"error: the environment 'default' has no working Python at {old}: asked for its version, it ends with "
            "exit code 2 and says: Unknown option: -I; insitu needs Python 3.9 or later"
        ),
        "hint: name an interpreter, such as --python /path/to/venv/bin/python",
    ]


def test_a_reader_that_has_had_enough_ends_the_code(remote: Commands) -> None:
    with remote.started("run", "while True: print('y' * 1000)") as process:
        assert process.stdout
        assert process.stdout.readline() == "y" * 1000 + "\n"
        process.stdout.close()
        assert process.stderr
        assert (process.stderr.read(), process.wait()) == ("", 141)
