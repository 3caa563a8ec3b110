from __future__ import annotations

import json
import re
from pathlib import Path

from insitu import Client
from tests.cli.commands import Commands, Ended
from tests.support.serve_command import served, serving
from tests.support.waiting import wait_until

ADD = "def main(x, y=1):\n    print('adding')\n    return x + y\n"


def test_from_a_file_to_a_result(remote: Commands) -> None:
    (remote.folder / "add.py").write_text(ADD, "utf-8")
    assert remote("fn", "deploy", "add.py", "--env", "A=secret", "--time", "5") == Ended(0, "add:1\n", "")
    assert remote("fn", "deploy", "add.py", "--env", "A=secret", "--time", "5") == Ended(0, "add:1\n", "")
    assert remote("fn", "invoke", "add", "1", "2") == Ended(0, "adding\n3\n", "")
    assert remote("fn", "invoke", "add:1", "x=[1]", "y=[2]") == Ended(0, "adding\n[\n  1,\n  2\n]\n", "")
    assert remote("fn", "invoke", "add", "a", "b") == Ended(0, "adding\nab\n", "")
    listed = remote("fn", "list").out.splitlines()
    assert listed[0].split() == ["FUNCTION", "VERSION", "AGE", "HANDLER", "CODE", "ALIASES"]
    assert listed[1].split()[:2] + listed[1].split()[3:] == ["add", "1", "add.main", "55", "B", "-"]
    assert remote("fn", "rm", "add") == Ended(0, "add\n", "")
    gone = remote("fn", "invoke", "add", "1")
    assert (gone.exit_code, gone.err.splitlines()[0]) == (2, "error: there is no function 'add'")


def test_what_fails_is_told_and_logged(remote: Commands) -> None:
    (remote.folder / "half.py").write_text("import sys\ndef go(x):\n    print('x', x)\n    return 1 / x\n", "utf-8")
    assert remote("fn", "deploy", "half.py", "--handler", "half.go", "--name", "h").out == "h:1\n"
    failed = remote("fn", "invoke", "h", "0")
    assert (failed.exit_code, failed.out) == (1, "x 0\n")
    assert failed.err.endswith("error: ZeroDivisionError: division by zero\n")
    assert remote("fn", "invoke", "h", "4").out == "x 4\n0.25\n"
    lines = remote("fn", "logs", "h").out.splitlines()
    assert re.fullmatch(r"\S+ \S+  inv_\w{32}  1  cold  [\d.]+ ms  error", lines[0])
    assert lines[1:3] == ["    x 0", "    ZeroDivisionError: division by zero"]
    assert re.fullmatch(r"\S+ \S+  inv_\w{32}  1  warm  [\d.]+ ms  ok", lines[3])
    logged = json.loads(remote("fn", "logs", "h", "-n", "1", "--json").out)
    assert [each["outcome"] for each in logged] == ["ok"]
    remote("fn", "rm", "h")


def test_what_a_function_says_does_not_steer_a_terminal(remote: Commands) -> None:
    lines = (
        "def main(fails):",
        r"    print('\x1b]0;out\x07', end='')",
        r"    if fails: raise ValueError('\x1b[2Jtold\x9b')",
        r"    return '\x1b[2Jback'",
    )
    (remote.folder / "evil.py").write_text("\n".join(lines), "utf-8")
    remote("fn", "deploy", "evil.py")
    with remote.terminal("fn", "invoke", "evil", "0") as terminal:
        assert terminal.end() == Ended(0, "\\x1b]0;out\\x07\n\\x1b[2Jback\n", "")
    with remote.terminal("fn", "invoke", "evil", "1") as terminal:
        failed = terminal.end()
    with remote.terminal("fn", "logs", "evil") as terminal:
        logged = terminal.end()
    for shown in (failed.out, logged.out):
        assert "\\x1b[2Jtold\\x9b" in shown
        assert "\x1b" not in shown
    remote("fn", "rm", "evil")


def test_in_the_background_and_as_json(remote: Commands, client: Client) -> None:
    (remote.folder / "add.py").write_text(ADD, "utf-8")
    deployed = json.loads(remote("fn", "deploy", "add.py", "--json").out)
    assert (deployed["name"], deployed["version"], deployed["files"]) == ("add", 1, ["add.py"])
    id = remote("fn", "invoke", "add", "1", "--async").out.strip()
    assert client.functions.invocation("add", id).result() == 2
    assert remote("fn", "result", "add", id) == Ended(0, "adding\n2\n", "")
    assert json.loads(remote("fn", "invoke", "add", "1", "--json").out)["result"] == 2
    assert [each["name"] for each in json.loads(remote("fn", "list", "--json").out)] == ["add"]
    remote("fn", "rm", "add")


def test_a_schema_from_a_file(remote: Commands) -> None:
    (remote.folder / "add.py").write_text(ADD, "utf-8")
    (remote.folder / "schema.json").write_text('{"properties": {"x": {"type": "integer"}}}', "utf-8")
    assert remote("fn", "deploy", "add.py", "--schema", "schema.json").exit_code == 0
    refused = remote("fn", "invoke", "add", "x=a")
    assert (refused.exit_code, refused.err.splitlines()[0]) == (2, 'error: x: "a" is not of type "integer"')
    remote("fn", "rm", "add")


def test_what_cannot_be_meant(remote: Commands) -> None:
    for arguments, error in (
        (("deploy", "none.py"), "error: 'none.py' is no file of Python"),
        (("deploy", "."), "error: '.' is no file of Python"),
        (("nix",), "error: no such command 'nix'"),
    ):
        refused = remote("fn", *arguments)
        assert (refused.exit_code, refused.out, refused.err.splitlines()[0]) == (2, "", error)


def test_no_accepted_invocation_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    code = "import time\ndef main(s):\n    print('up', flush=True)\n    time.sleep(s)\n    return s"
    with served(tmp_path) as first, Client(first.url) as client:
        client.functions.deploy("f", code, concurrency=1)
        ids = [client.functions.submit("f", seconds).id for seconds in (60, 0, 0)]
        wait_until(lambda: client.functions.invocation("f", ids[0]).info().state == "running")
    with serving(tmp_path) as (url, _), Client(url) as client:
        ended = [client.functions.invocation("f", id).wait() for id in ids]
    assert [each.outcome for each in ended] == ["crashed", "ok", "ok"]
    assert ended[0].error is not None
    assert ended[0].error.value == "the server stopped while it ran"
