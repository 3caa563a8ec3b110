"""Calling one function with arguments that come as JSON: inline lambdas, and handlers of stored functions."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import linecache
import textwrap
from typing import Any, Callable

from . import values

# What a lambda finds without an import, where the environment has it.
_NAMES = {
    "np": "numpy",
    "pd": "pandas",
    **{
        name: name
        for name in ("numpy", "pandas", "math", "json", "re", "itertools", "functools", "collections", "datetime")
    },
}
_NAME = "<lambda>"
_compile, _eval, _loads = compile, eval, json.loads

Function = Callable[..., Any]


class NotALambda(TypeError):
    """Raised for code that is no function to be called."""


class NoSuchHandler(TypeError):
    """Raised for a handler that names no function of the files that were deployed."""


# So they are told without a module, as Python's own.
NotALambda.__module__ = NoSuchHandler.__module__ = "builtins"


class Functions:
    """The functions that this interpreter has been asked for; a module, or a source, is run once.

    What it left in its variables is there in the next call, as it would be in any program.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Function] = {}

    def find(self, source: str, handler: str | None) -> Function:
        """A function: by its source, or as ``module.name`` from the session's files.

        Raises:
            NotALambda: if the source is none.
            NoSuchHandler: if the handler names none.
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
    body = _loads(text)
    args = [values.decode(value, f"args[{index}]") for index, value in enumerate(body["args"])]
    return args, {name: values.decode(value, f"kwargs[{name!r}]") for name, value in body["kwargs"].items()}


def _define(source: str) -> Function:
    source = textwrap.dedent(source).strip()
    linecache.cache[_NAME] = (len(source), None, [f"{line}\n" for line in source.split("\n")], _NAME)
    tree: Any = _compile(source, _NAME, "exec", ast.PyCF_ONLY_AST, True)
    names = _names(tree)
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
        raise NotALambda(f"the source is of type {type(function).__name__}, which cannot be called; write `lambda: …`")
    found: Function = function
    return found


def _names(tree: ast.AST) -> dict[str, Any]:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = {name: _module(_NAMES[name]) for name in used & _NAMES.keys()}
    return {"__name__": "__lambda__", **{name: module for name, module in names.items() if module is not None}}


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None  # what uses it gets an ordinary NameError


def _import(handler: str) -> Function:
    module, _, name = handler.rpartition(".")
    found: Any = importlib.import_module(module)
    function = getattr(found, name, None)
    if not callable(function):
        there = ", ".join(sorted(each for each, value in vars(found).items() if inspect.isfunction(value)))
        raise NoSuchHandler(f"there is no function {name!r} in {module}; its functions are: {there or 'none'}")
    checked: Function = function
    return checked
