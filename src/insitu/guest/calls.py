"""Calling one function with arguments that come as JSON: inline lambdas, and handlers of stored functions."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import linecache
import sys
import textwrap
from typing import Any, Callable

from . import values

# What a lambda finds without an import, where the environment has imported it already.
_NAMES = {
    "np": "numpy",
    "pd": "pandas",
    **{
        name: name
        for name in ("numpy", "pandas", "math", "json", "re", "itertools", "functools", "collections", "datetime")
    },
}
_NAME = "<lambda>"
_compile, _eval = compile, eval

Function = Callable[..., Any]


class NotALambda(TypeError):
    """Raised for code that is no function to be called."""


NotALambda.__module__ = "builtins"


class Functions:
    """The functions that this interpreter has been asked for; a module, or a source, is run once.

    What it left in its variables is there in the next call, as it would be in any program.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Function] = {}

    def find(self, source: str, handler: str | None) -> Function:
        """A function: by its source, or as ``module.name`` from the session's files.

        Raises:
            NotALambda: if that is none.
        """
        if handler is not None:
            return _import(handler)
        if source not in self._sources:
            self._sources = {source: _define(source)}  # one: the next source is another caller's wish
        return self._sources[source]


def arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The positional and the named arguments.

    Raises:
        NotDecodable: if a value is of no known form.
    """
    body = json.loads(text)
    return values.decode(body["args"]), values.decode(body["kwargs"])


def _define(source: str) -> Function:
    linecache.cache[_NAME] = (len(source), None, [f"{line}\n" for line in source.split("\n")], _NAME)
    names: dict[str, Any] = {"__name__": "__lambda__"}
    names.update({name: sys.modules[module] for name, module in _NAMES.items() if module in sys.modules})
    tree = _parse(source)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        _eval(_compile(tree, _NAME, "exec", dont_inherit=True), names)
        function = _eval(_compile(ast.Expression(last.value), _NAME, "eval", dont_inherit=True), names)
    elif isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)):
        _eval(_compile(tree, _NAME, "exec", dont_inherit=True), names)
        function = names[last.name]
    else:
        raise NotALambda("the source has to be a lambda, or to end in a function's definition or its name")
    if not callable(function):
        raise NotALambda(f"the source is a {type(function).__name__}, which cannot be called; write `lambda: …`")
    found: Function = function
    return found


def _parse(source: str) -> ast.Module:
    tree: Any = _compile(textwrap.dedent(source).strip(), _NAME, "exec", ast.PyCF_ONLY_AST, True)
    checked: ast.Module = tree
    return checked


def _import(handler: str) -> Function:
    module, _, name = handler.rpartition(".")
    found: Any = importlib.import_module(module)
    function = getattr(found, name, None)
    if not callable(function):
        there = ", ".join(sorted(each for each, value in vars(found).items() if inspect.isfunction(value)))
        raise NotALambda(f"there is no function {name!r} in {module}; its functions are: {there or 'none'}")
    checked: Function = function
    return checked
