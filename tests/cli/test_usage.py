"""Commands that cannot be meant: one `error:`, mostly a `hint:`, exit code 2."""

from __future__ import annotations

import pytest

from tests.cli.commands import Commands

DEAD = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serv"], "error: there is no command 'serv'\nhint: did you mean `serve`?\n"),
        (["doctro"], "error: there is no command 'doctro'\nhint: did you mean `doctor`?\n"),
        (["xyz"], "error: there is no command 'xyz'\nhint: `insitu --help` names them\n"),
        (["a.py"], "error: there is no command 'a.py'\nhint: to run code: insitu run 'a.py'\n"),
        (["rum"], "error: there is no command 'rum'\nhint: did you mean `run`?\n"),
        (["1 + 1"], "error: there is no command '1 + 1'\nhint: to run code: insitu run '1 + 1'\n"),
        (["run", "1", "--tiem", "3"], "error: no such option: --tiem\nhint: did you mean `--time`?\n"),
        (["ps", "1", "2"], "error: got unexpected extra argument(s) (1 2)\nhint: see `insitu ps --help`\n"),
        (["files"], "error: missing argument 'SESSION'\nhint: see `insitu files --help`\n"),
        (
            ["run", "1", "--mem", "lots"],
            (
                "error: invalid value for '--mem': 'lots' is no size: write it like 512m, 1.5g or 65536\n"
                "hint: see `insitu run --help`\n"
            ),
        ),
        (["run", "1", "--env", "A"], "error: --env 'A' is no variable\nhint: write it like --env NAME=VALUE\n"),
        (
            ["run", "1", "--file", "nope.csv"],
            "error: --file nope.csv: 'nope.csv' does not exist\nhint: name a file, as PATH or PATH:NAME\n",
        ),
        (
            ["run", "1", "--file", "."],
            "error: --file .: '.' is a folder\nhint: name a file, as PATH or PATH:NAME\n",
        ),
        (
            ["run", "examples/nope"],
            "error: there is no file 'examples/nope'\nhint: if it is code, put spaces around its `/`\n",
        ),
        (["run", "nope.py"], "error: nope.py: No such file or directory\n"),
        (
            ["run", "1", "--url", DEAD, "--python", "python3"],
            "error: --python is for code in this process\nhint: on a server (--url or INSITU_URL): --environment\n",
        ),
        (
            ["run", "1", "--environment", "x"],
            "error: --environment is for code on a server\nhint: add --url, or name a --python\n",
        ),
        (
            ["run", "1", "--session", "x", "--mem", "1g"],
            (
                "error: --mem, --disk, --cpus and --environment are for new sessions; that of --session "
                "is made already\n"
                "hint: leave them out, or leave out --session\n"
            ),
        ),
        (
            ["cp", "a", "b"],
            (
                "error: one of the two must be a session's file, and the other one a file of this machine\n"
                "hint: insitu cp data.csv SESSION:  or  insitu cp SESSION:plot.png .\n"
            ),
        ),
        (
            ["ask", "?"],
            (
                "error: there is no model to ask, and no insitu server answers at http://127.0.0.1:8700\n"
                "hint: name a model server by --upstream or INSITU_UPSTREAM, such as http://127.0.0.1:11434/v1, "
                "or a server of insitu's by --url or INSITU_URL\n"
            ),
        ),
        (
            ["ask", "?", "--url", DEAD, "--upstream", DEAD],
            (
                "error: --upstream is for a server in this process, and --url or INSITU_URL names another\n"
                "hint: leave out one of them\n"
            ),
        ),
        (
            ["ask", "-c", "?"],
            "error: --continue needs a server, which remembers what was said\nhint: name one by --url or INSITU_URL\n",
        ),
        (
            ["ask", " "],
            "error: there is no question\nhint: insitu ask 'What is the sum of the first hundred primes?'\n",
        ),
        (["cp", "nope", "3f2a:"], "error: 'nope' does not exist\n"),
        (["cp", "-", "3f2a:"], "error: standard input has no name of its own\nhint: name it: 3f2a:NAME\n"),
        (
            ["serve", "--port", "99999"],
            "error: --port '99999': Input should be less than or equal to 65535\nhint: see `insitu serve --help`\n",
        ),
        (
            ["ask", "?", "--upstream", "nonsense"],
            (
                "error: --upstream is 'nonsense', which is no base URL: it must begin with http:// or https://, name a"
                " host, and have no query and no password; such as http://127.0.0.1:11434/v1\n"
            ),
        ),
        (
            ["serve", "--environments", "x"],
            ("error: --environments: 'x' is no name=python, or the name is taken; such as: ml=/srv/ml/bin/python\n"),
        ),
        (["serve", "--timeout-s", "700"], "error: timeout_s is 700, over max_timeout_s, which is 600\n"),
        (
            ["ps", "--url", f"{DEAD}/v1"],
            (f"error: '{DEAD}/v1' ends in /v1, as base URLs for OpenAI's clients do\nhint: leave that out: {DEAD}\n"),
        ),
        (
            ["serve", "--memory-bytes", "lots"],
            "error: --memory-bytes: 'lots' is no size: write it like 512m, 1.5g or 65536\n",
        ),
    ],
)
def test_wrong_usage(insitu: Commands, arguments: list[str], message: str) -> None:
    ended = insitu(*arguments)
    assert (ended.exit_code, ended.out, ended.err) == (2, "", message)


def test_a_wrong_setting_of_the_environment_is_named(insitu: Commands) -> None:
    for command in (["serve"], ["run", "1"], ["doctor"]):
        ended = insitu(*command, env={"INSITU_PORT": "x"})
        assert ended.exit_code == 2
        assert ended.err.startswith("error: INSITU_PORT 'x': Input should be a valid integer")


def test_at_a_terminal_run_wants_code(insitu: Commands) -> None:
    with insitu.terminal("run") as terminal:
        ended = terminal.end()
    assert ended.exit_code == 2
    assert ended.out.startswith("error: there is no code to run\nhint: insitu run 'print(1)'")


@pytest.mark.parametrize("command", [["ps"], ["files", "3f2a"], ["rm", "3f2a"], ["run", "1"], ["repl"], ["ask", "?"]])
def test_no_server_is_insitus_failure_and_not_the_codes(insitu: Commands, command: list[str]) -> None:
    ended = insitu(*command, "--url", DEAD)
    assert (ended.exit_code, ended.out) == (125, "")
    assert ended.err.startswith(f"error: no insitu server answers at {DEAD}")
    assert "\nhint: start one with `insitu serve`" in ended.err


@pytest.mark.parametrize(
    ("term", "no_color", "coloured"), [("xterm", "", True), ("xterm", "1", False), ("dumb", "", False)]
)
def test_colours_are_for_terminals_that_want_them(insitu: Commands, term: str, no_color: str, coloured: bool) -> None:
    insitu.env |= {"NO_COLOR": no_color}
    with insitu.terminal("serv", term=term) as terminal:
        assert ("\x1b[31merror:\x1b[0m" in terminal.end().out) is coloured
