"""Lines of a prompt, put together to pieces of code that can run."""

from __future__ import annotations

import ast
import codeop
import re
import warnings

# Clauses go on with the block above them, although they begin at the margin.
_CLAUSE = re.compile(r"(else|elif|except|finally|case)\b")
_SHELL_OR_MAGIC = ("!", "%", "?")


class Blocks:
    """Takes lines, and gives out code once it is whole.

    A block ends with an empty line, as in Python's own prompt; or, so that pasted and piped code runs as well, with the
    next line at the margin.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._compile = codeop.CommandCompiler()
        self._compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    @property
    def pending(self) -> bool:
        """Whether lines wait for more."""
        return bool(self._lines)

    def add(self, line: str) -> list[str]:
        """Take a line; returns the code that is whole now: nothing, the block before it, itself, or both."""
        whole = []
        if self._lines and _begins_anew(line, self._lines[-1]) and self._is_whole([*self._lines, ""]):
            whole.append(self.rest())
        if line.strip() or self._lines:
            self._lines.append(line)
        if self._lines and self._is_whole(self._lines):
            whole.append(self.rest())
        return whole

    def rest(self) -> str:
        """What was waiting, as it is."""
        code = "\n".join(self._lines)
        self._lines = []
        return code

    def _is_whole(self, lines: list[str]) -> bool:
        if lines[0].startswith(_SHELL_OR_MAGIC):
            return True
        if lines[-1].endswith("\\"):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the sandbox gives them, when the code runs
                return self._compile("\n".join(lines)) is not None
        except (SyntaxError, ValueError, OverflowError):
            return True  # and let the sandbox's Python, which may be a newer one, have its say


def _begins_anew(line: str, before: str) -> bool:
    return bool(line) and not line[0].isspace() and not _CLAUSE.match(line) and not before.endswith("\\")
