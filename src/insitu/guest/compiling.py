"""Source of cells made into code objects: the last expression apart, since its value is the cell's."""

from __future__ import annotations
import __future__

import ast
import linecache
from types import CodeType
from typing import Protocol

_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
COROUTINE = 0x80
_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag
_compile = compile


class Rewriter(Protocol):
    """What changes source on its way."""

    def rewrite(self, source: str) -> str: ...
    def transform(self, source: str) -> str: ...
    def tree(self, tree: ast.Module) -> ast.Module: ...


class Compiler:
    """Compiles cells; what one imports from ``__future__`` holds for those after it."""

    def __init__(self) -> None:
        self._futures = 0

    def forget(self) -> None:
        """Start anew."""
        self._futures = 0

    def compile(self, rewriter: Rewriter, source: str, name: str) -> list[CodeType]:
        """Code objects to be evaluated one after the other; tracebacks find the source by ``name``."""
        tree, source = self._parse(rewriter, source, name)
        _remember(name, source)
        return self._compile(rewriter.tree(tree), source, name)

    def _parse(self, rewriter: Rewriter, source: str, name: str) -> tuple[ast.Module, str]:
        source = rewriter.rewrite(source)
        flags = ast.PyCF_ONLY_AST | _AWAIT | self._futures
        try:
            return _compile(source, name, "exec", flags, True), source
        except SyntaxError as error:
            _remember(name, source)
            failed = error
        # Only what is no Python can be a magic, so that ordinary cells don't pay for the search.
        transformed = rewriter.transform(source)
        if transformed == source:
            raise failed
        return _compile(transformed, name, "exec", flags, True), transformed

    def _compile(self, tree: ast.Module, source: str, name: str) -> list[CodeType]:
        codes: list[CodeType] = []
        last = tree.body[-1] if tree.body else None
        result = last if isinstance(last, ast.Expr) and not _is_silenced(last, source) else None
        if result is not None:
            tree.body.pop()
        if tree.body:
            codes.append(_compile(tree, name, "exec", _AWAIT | self._futures, True))
            self._futures |= codes[0].co_flags & _FUTURES
        if result is not None:
            codes.append(_compile(ast.Expression(result.value), name, "eval", _AWAIT | self._futures, True))
        return codes


def _remember(name: str, source: str) -> None:
    """Let tracebacks and `inspect` find the source of a cell."""
    linecache.cache[name] = (len(source), None, [f"{line}\n" for line in source.split("\n")], name)


def _is_silenced(last: ast.Expr, source: str) -> bool:
    """Whether a semicolon follows the last expression."""
    if ";" not in source or last.end_lineno is None or last.end_col_offset is None:
        return False
    line = source.split("\n")[last.end_lineno - 1].encode("utf-8", "surrogatepass")
    return line[last.end_col_offset :].lstrip().startswith(b";")
