"""The source of a Python function, as it can be sent elsewhere to be called there."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .errors import InvalidRequest

Function = str | Callable[..., Any]
_Span = tuple[tuple[int, int], tuple[int, int]]
_LAMBDA = "<lambda>"


def source_of(function: Function) -> str:
    """A source as it is; of a function its own, after the imports that it uses.

    Raises:
        InvalidRequest: if the function has no source, or needs more than that.
    """
    if isinstance(function, str):
        return function
    plain: object = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        raise InvalidRequest(
            f"{plain!r} has no source that could be sent", hint="write a function of Python around it, or send text"
        )
    if plain.__code__.co_freevars:
        raise _needs(plain, plain.__code__.co_freevars)
    # Annotations stay text: what they name may not be there.
    future = [] if plain.__name__ == _LAMBDA else ["from __future__ import annotations"]
    before = "; ".join([*future, *_imports(plain)])
    return f"{before}\n{_text(plain)}" if before else _text(plain)


def _text(function: FunctionType) -> str:
    try:
        lines, _ = inspect.findsource(function)
        block, start = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise _not_found(function) from None
    indent = len(block[0]) - len(block[0].lstrip())
    # The whole file, or where that is no Python as a whole, the lines that the function begins with.
    for text, lines_before, columns_before in (
        ("".join(lines), 0, 0),
        (textwrap.dedent("".join(block)), start - 1, indent),
    ):
        if node := _find(function, text, lines_before, columns_before):
            segment = textwrap.dedent(ast.get_source_segment(text, node, padded=True) or "").strip()
            return f"({segment})" if isinstance(node, ast.Lambda) and "\n" in segment else segment
    raise _not_found(function)


def _find(function: FunctionType, text: str, lines_before: int, columns_before: int) -> ast.AST | None:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return None
    if function.__name__ != _LAMBDA:
        line = function.__code__.co_firstlineno - lines_before
        return next((node for node in nodes if _is_def(node, line)), None)
    spans = [
        ((a - lines_before, c - columns_before), (b - lines_before, d - columns_before))
        for a, b, c, d in _positions(function.__code__)
    ]
    found = [node for node in nodes if isinstance(node, ast.Lambda) and _holds(node.body, spans)]
    return found[-1] if found else None  # of lambdas within lambdas, the innermost that holds all of the code is it


def _is_def(node: ast.AST, line: int) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return line in (node.lineno, *(decorator.lineno for decorator in node.decorator_list[:1]))


def _positions(code: CodeType) -> Iterator[tuple[int, int, int, int]]:
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (line, column) != (end_line, end_column):  # what the interpreter does at the beginning is nowhere
            yield line, end_line, column, end_column


def _holds(body: ast.expr, spans: Sequence[_Span]) -> bool:
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return bool(spans) and all(start <= first and last <= end for first, last in spans)


def _imports(function: FunctionType) -> list[str]:
    here, lines, missing = function.__globals__, [], []
    for name in sorted(_global_names(function.__code__) & here.keys()):
        if getattr(here[name], "__wrapped__", here[name]) is function and name == function.__name__:
            continue  # it calls itself
        line = _import(name, here[name])
        if line is None:
            missing.append(name)
        else:
            lines.append(line)
    if missing:
        raise _needs(function, missing)
    return lines


def _global_names(code: CodeType) -> set[str]:
    names = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return names.union(*(_global_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _import(name: str, value: object) -> str | None:
    """The line that makes a name there what it is here; None if none does."""
    if isinstance(value, ModuleType):
        return _as(f"import {value.__name__}", value.__name__, name) if value.__name__ != "__main__" else None
    module, own = str(getattr(value, "__module__", "")), str(getattr(value, "__name__", ""))
    if module.partition(".")[0] not in sys.stdlib_module_names or module == "__main__":
        return None
    found = getattr(sys.modules.get(module), own, None) is value
    return _as(f"from {module} import {own}", own, name) if found else None


def _as(line: str, own: str, name: str) -> str:
    return line if own == name else f"{line} as {name}"


def _needs(function: FunctionType, names: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"{function.__qualname__} uses {', '.join(names)} from around it, and only its own source crosses",
        hint="give it as an argument, or write it within the function",
    )


def _not_found(function: FunctionType) -> InvalidRequest:
    return InvalidRequest(
        f"the source of {function.__qualname__} cannot be found",
        hint="what is typed into a plain interpreter has none: put it into a file, or send text",
    )
