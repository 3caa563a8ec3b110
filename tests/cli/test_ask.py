"""`insitu ask`, with a server and without one; the model is scripted."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Commands, Ended
from tests.support.model import ScriptedModel, broken, fail, hang, say
from tests.support.processes import descendants
from tests.support.responses import run
from tests.support.serve_command import serving

PNG = b"\x89PNG\r\n\x1a\n-"
STEPS = (run("print('a')\n40 + 2", text="I compute."), run("1/0"), say("It is 42."))
SHOWN = """\
>>> print('a')
... 40 + 2
a
42
>>> 1/0
Traceback (most recent call last):
  File "<cell 2>", line 1, in <module>
    1/0
    ~^~
ZeroDivisionError: division by zero
"""


@pytest.fixture(scope="module")
def url(the_model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with that model behind it."""
    with serving(tmp_path_factory.mktemp("server"), "--upstream", the_model.url) as (address, _):
        yield address


@pytest.fixture
def hosted(insitu: Commands, model: ScriptedModel) -> Commands:
    """Commands that have a model server, and no server of insitu's."""
    # Importing pandas ahead would only make the tests slower.
    insitu.env |= {"INSITU_UPSTREAM": model.url, "INSITU_PREIMPORT": "", "TMPDIR": str(insitu.folder / "tmp")}
    (insitu.folder / "tmp").mkdir()
    return insitu


@pytest.fixture(params=["in this process", "on a server"])
def either(request: pytest.FixtureRequest) -> Commands:
    commands: Commands = request.getfixturevalue("hosted" if request.param == "in this process" else "remote")
    return commands


def left_in(folder: Path) -> list[str]:
    """What is in a folder, beside where temporary files were."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_answer_is_on_standard_output_and_its_steps_on_standard_error(
    either: Commands, model: ScriptedModel
) -> None:
    model.script(*STEPS)
    assert either("ask", "How much is it?") == Ended(0, "I compute.\n\nIt is 42.\n", SHOWN)


def test_files_go_in_and_come_out_under_new_names(either: Commands, model: ScriptedModel) -> None:
    (either.folder / "a.txt").write_text("ha", "utf-8")
    (either.folder / "out.txt").write_text("mine", "utf-8")
    code = "open('out.txt', 'w').write(open('in.txt').read() * 2)\nopen('.new.csv', 'w').write('new')\nNone"
    model.script(run(code), say("Made."), run("open('out.txt', 'w').write('again'); None"), say("Made."))
    ended = either("ask", "Double it.", "-f", "a.txt:in.txt")
    assert (ended.exit_code, ended.out) == (0, "Made.\n")
    assert ended.err.splitlines()[3:] == [
        "wrote new.csv, 3 B (the code named it '.new.csv')",
        "wrote out-1.txt, 4 B (the code named it 'out.txt')",
    ]
    assert either("ask", "Again.", "-o", "deep/er").err.endswith("wrote deep/er/out.txt, 5 B\n")
    names = ("out.txt", "out-1.txt", "new.csv", "deep/er/out.txt")
    assert [(either.folder / name).read_text("utf-8") for name in names] == ["mine", "haha", "new", "again"]


def test_programs_do_not_come_to_stand_beside_the_users_own(remote: Commands, model: ScriptedModel) -> None:
    names = ["Makefile", "conftest.py", "package.json", "x\\CMakeLists.txt", "-rf", "data.CSV"]
    code = f"for name in {names!r}: _ = open(name, 'w').write('x')"
    model.script(run(code), say("Made."), run("open('made.py', 'w').write('1'); None"), say("Made."))
    assert remote("ask", "Make files.").exit_code == 0
    assert [name for name in left_in(remote.folder) if not name.startswith(".")] == [
        "data.CSV",
        *(f"insitu-files/{name}" for name in ("CMakeLists.txt", "Makefile", "conftest.py", "package.json", "rf")),
    ]
    assert remote("ask", "Make one.", "--out", ".").err.endswith("wrote made.py, 1 B\n")


def test_json_is_the_whole_answer_and_nothing_else(either: Commands, model: ScriptedModel) -> None:
    model.script(run("open('out.txt', 'w').write('made')\n1"), say("Made."))
    ended = either("ask", "Make a file.", "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    answer = json.loads(ended.out)
    assert (answer["text"], answer["status"], answer["reason"]) == ("Made.", "completed", None)
    assert [(step["code"], step["output"]) for step in answer["steps"]] == [
        ("open('out.txt', 'w').write('made')\n1", "1")
    ]
    assert [(file["name"], file["size"], file["path"]) for file in answer["files"]] == [("out.txt", 4, "out.txt")]
    assert (either.folder / "out.txt").read_text("utf-8") == "made"


def test_options_reach_the_model(remote: Commands, model: ScriptedModel) -> None:
    model.script(say("Bien."))
    arguments = ("--model", "another", "--instructions", "Speak French.")
    assert remote("ask", "-", *arguments, stdin="How are you,\nyou?\n").out == "Bien.\n"
    body = model.requests[-1].body
    assert body["model"] == "another"
    assert body["messages"] == [
        {"role": "system", "content": "Speak French."},
        {"role": "user", "content": "How are you,\nyou?\n"},
    ]


def test_a_question_follows_the_last_one_of_its_server(remote: Commands, model: ScriptedModel) -> None:
    first = remote("ask", "-c", "And?")
    assert (first.exit_code, first.err.splitlines()[0]) == (
        2,
        f"error: nothing was asked at {remote.env['INSITU_URL']} yet",
    )
    model.script(run("x = 41"), say("Set."), run("x + 1"), say("It is 42."))
    remote("ask", "Set x.")
    assert remote("ask", "--continue", "And one more?").err == ">>> x + 1\n42\n"


def test_an_answer_that_is_incomplete_is_a_failure_that_says_why(remote: Commands, model: ScriptedModel) -> None:
    model.script(run("1"), run("2", text="I go on."))
    ended = remote("ask", "?", "--max-steps", "2")
    assert (ended.exit_code, ended.out) == (1, "I go on.\n")
    assert ended.err.endswith(
        "error: the answer is incomplete: max steps\nhint: allow more with --max-steps N, or ask for less\n"
    )
    model.script(run("1"), run("2", text="I go on."))
    ended = remote("ask", "?", "--max-steps", "2", "--json")
    assert (ended.exit_code, json.loads(ended.out)["reason"], ended.err) == (1, "max_steps", "")


def test_a_turn_that_breaks_off_keeps_what_was_said(either: Commands, model: ScriptedModel) -> None:
    model.script(run("1"), broken(say("Let me think."), after=2))
    ended = either("ask", "?")
    assert (ended.exit_code, ended.out) == (1, "Let me t\n")
    assert ended.err.splitlines()[2].startswith("error: the model server")


def test_a_model_server_that_refuses_or_is_not_there(hosted: Commands, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "no such model", "type": "invalid_request_error"}}))
    refused = hosted("ask", "?", "-m", "nonsense")
    assert (refused.exit_code, refused.out, "no such model" in refused.err) == (2, "", True)
    nobody = hosted("ask", "?", "--upstream", "http://127.0.0.1:9/v1")
    assert (nobody.exit_code, nobody.out) == (1, "")
    assert nobody.err.startswith("error: ")


def test_what_cannot_be_saved_is_said_and_the_rest_is_saved(remote: Commands, model: ScriptedModel) -> None:
    (remote.folder / "file").touch()
    model.script(run("open('out.txt', 'w').write('made'); None"), say("Made."))
    ended = remote("ask", "Make a file.", "--out", "file/folder")
    assert (ended.exit_code, ended.out) == (1, "Made.\n")
    assert ended.err.splitlines()[1].startswith("error: 'out.txt' was not saved: ")


def test_a_figure_that_the_workspace_has_no_room_for_is_saved_all_the_same(
    hosted: Commands, model: ScriptedModel
) -> None:
    fill = "try: open('/tmp/fill', 'wb', 0).write(bytes(1 << 20))\nexcept OSError: pass"
    show = f"display({{'image/png': '{base64.b64encode(PNG).decode()}'}}, raw=True)"
    model.script(
        run(f"{fill}\nwhile True:\n    try: open('/tmp/fill', 'ab', 0).write(b'x')\n    except OSError: break")
    )
    model.script(run(show), say("See."))
    ended = hosted("ask", "?", env={"INSITU_DISK_BYTES": str(1 << 18)})
    assert (ended.exit_code, ended.err.splitlines()[-1]) == (0, f"wrote figure.png, {len(PNG)} B")
    assert (hosted.folder / "figure.png").read_bytes() == PNG


def test_a_server_of_this_process_leaves_nothing_behind(hosted: Commands, model: ScriptedModel) -> None:
    model.script(run("open('out.txt', 'w').write('made'); None"), say("Made."))
    assert hosted("ask", "Make a file.").exit_code == 0
    assert left_in(hosted.folder) == ["out.txt"]
    assert list((hosted.folder / "tmp").iterdir()) == []


async def test_ctrl_c_cancels_the_turn(either: Commands, model: ScriptedModel) -> None:
    model.script(hang(say("Let me think."), after=2))
    with either.terminal("ask", "?") as terminal:
        terminal.until("Let me t")
        terminal.type("\x03")
        assert terminal.end().exit_code == 130
    await model.wait_closed(1)
    assert left_in(either.folder) == []


def test_ctrl_c_ends_code_as_well(hosted: Commands, model: ScriptedModel) -> None:
    model.script(run("print('u' + 'p', flush=True); import time; time.sleep(600)"))
    with hosted.terminal("ask", "?") as terminal:
        terminal.until("up\n")
        terminal.type("\x03")
        assert terminal.end().exit_code == 130
    assert list((hosted.folder / "tmp").iterdir()) == []


async def test_sigterm_leaves_nothing_behind(hosted: Commands, model: ScriptedModel) -> None:
    model.script(hang(say("Let me think."), after=2))
    with hosted.started("ask", "?") as process:
        assert process.stdout
        assert process.stdout.read(8) == "Let me t"
        below = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 143
    await model.wait_closed(1)
    assert (len(below) > 0, [pid for pid in below if os.path.exists(f"/proc/{pid}")]) == (True, [])
    assert list((hosted.folder / "tmp").iterdir()) == []


def test_at_a_terminal_steps_stand_apart(remote: Commands, model: ScriptedModel) -> None:
    model.script(*STEPS)
    with remote.terminal("ask", "How much is it?") as terminal:
        ended = terminal.end()
    steps = "".join(f"  {line}" for line in SHOWN.splitlines(keepends=True))
    assert ended == Ended(0, f"I compute.\n\n{steps}\nIt is 42.\n", "")


def test_code_is_dim_where_there_are_colours(remote: Commands, model: ScriptedModel) -> None:
    model.script(run("x = 1\n\nx"), say("One."))
    with remote.terminal("ask", "?", term="xterm") as terminal:
        shown = terminal.end().out
    code = shown.partition("  1\n")[0].replace("\x1b[0m\x1b[2m", "")
    assert code == "  >>> \x1b[2mx = 1\x1b[0m\n\n  ... \x1b[2mx\x1b[0m\n"


def test_a_model_cannot_steer_the_terminal_and_text_for_files_is_untouched(
    remote: Commands, model: ScriptedModel
) -> None:
    said = "a\x1b[2Jb\x07c\td\r\ne\x9bf"
    steps = (run("print('\\x1b[31mred\\rover')"), say(said))
    model.script(*steps, *steps)
    with remote.terminal("ask", "?") as terminal:
        assert terminal.end().out.endswith("  red\n  over\n\na\\x1b[2Jb\\x07c\td\ne\\x9bf\n")
    assert remote("ask", "?").out == f"{said}\n"


def test_steps_side_by_side_are_told_apart(remote: Commands, model: ScriptedModel) -> None:
    model.script(run("print('one')", "print('two')"), say("Both."))
    assert remote("ask", "?").err == ">>> print('one')\n>>> print('two')\n[step 1]\none\n[step 2]\ntwo\n"


def test_a_reader_that_has_had_enough_ends_it(remote: Commands, model: ScriptedModel) -> None:
    model.script(say("x" * 200_000))
    with remote.started("ask", "?") as process:
        assert process.stdout
        assert process.stdout.read(1) == "x"
        process.stdout.close()
        assert process.stderr
        assert (process.stderr.read(), process.wait()) == ("", 141)
