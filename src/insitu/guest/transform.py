"""`!command`, `%magic` and `name?` lines as Python, for environments without IPython."""

from __future__ import annotations

import ast
import re
import textwrap

RUNNER = "__magics__"

_ESCAPE = re.compile(r"(?P<indent>\s*)(?:(?P<targets>[\w.,\[\]'\"* ]+?)\s*=\s*)?(?P<mark>!!?|%)(?P<rest>.*)", re.DOTALL)
_HELP = re.compile(r"(?P<indent>\s*)(?:\?{1,2}(?P<after>[\w.]+)|(?P<before>[\w.]+)\?{1,2})\s*;?\s*$")
_MOST_ESCAPES = 500


def transform(source: str) -> str:
    """Rewrite the lines that are no Python but a shell command, a magic or a request for help.

    What a line means is left to Python's own parser: only a line at which it stumbles is looked at, so that
    strings and continued lines keep their `%` and `!`.
    """
    if source.lstrip().startswith("%%"):
        return _cell_magic(source.lstrip())
    source = textwrap.dedent(source)
    for _ in range(_MOST_ESCAPES):
        at = _stumbles_at(source)
        rewritten = None if at is None else _rewrite_line(source.split("\n"), at)
        if rewritten is None:
            break
        source = rewritten
    return source


def _stumbles_at(source: str) -> int | None:
    try:
        compile(source, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
    except SyntaxError as error:
        return error.lineno
    return None


def _cell_magic(source: str) -> str:
    head, _, body = source[2:].partition("\n")
    name, _, line = head.strip().partition(" ")
    return f"{RUNNER}.cell({name!r}, {line.strip()!r}, {body!r})\n"


def _rewrite_line(lines: list[str], number: int) -> str | None:
    if not 0 < number <= len(lines):
        return None
    first = last = number - 1
    while lines[last].endswith("\\") and last + 1 < len(lines):
        last += 1
    call = _as_call("\n".join(lines[first : last + 1]))
    if call is None:
        return None
    # Empty lines keep the numbers of those that follow.
    return "\n".join([*lines[:first], call, *[""] * (last - first), *lines[last + 1 :]])


def _as_call(line: str) -> str | None:
    helped = _HELP.match(line)
    if helped:
        return f"{helped['indent']}{RUNNER}.help({helped['after'] or helped['before']!r})"
    escape = _ESCAPE.match(line)
    if escape is None:
        return None
    call = _magic_call(escape["rest"]) if escape["mark"] == "%" else _shell_call(escape)
    return escape["indent"] + (f"{escape['targets']} = " if escape["targets"] else "") + call


def _shell_call(escape: re.Match[str]) -> str:
    method = "lines" if escape["targets"] or escape["mark"] == "!!" else "system"
    return f"{RUNNER}.{method}({escape['rest'].strip()!r})"


def _magic_call(text: str) -> str:
    name, _, line = re.sub(r"\\\n", " ", text).strip().partition(" ")
    return f"{RUNNER}.line({name!r}, {line.strip()!r})"
