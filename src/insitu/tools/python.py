"""The operator's Python functions as tools."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar, overload

from ..errors import InvalidRequest
from ..signatures import MARK, TIMEOUT_S, Signature
from ..threads import Threads
from ..types import MIB
from .base import Bounds, Tool
from .places import Place
from .rates import Rate
from .results import encoded
from .returns import returned

Function = TypeVar("Function", bound=Callable[..., Any])

SOURCE = "python"
# What a result may have: the engine's own bound is as much, with what is around it.
_MOST_BYTES = 7 * MIB


class FunctionTool(Tool):
    """A Python function; one that is not async runs in a thread of its own.

    Raises:
        InvalidRequest: if JSON cannot say what it takes.
    """

    def __init__(self, function: Callable[..., Any], bounds: Bounds, name: str | None = None) -> None:
        signature = Signature(function, name)
        returns = returned(function)
        super().__init__(signature.name, signature.description, signature.parameters, SOURCE, bounds, returns)
        self.function = function
        self._signature = signature
        self._threads = Threads(bounds.at_once)

    async def call(self, arguments: Mapping[str, Any], place: Place) -> Any:
        """What the function returns, in JSON's types."""
        args, kwargs = self._signature.bind(arguments)
        if inspect.iscoroutinefunction(inspect.unwrap(self.function)):
            try:
                return encoded(await self.function(*args, **kwargs), self.bounds.max_bytes)
            except (SystemExit, KeyboardInterrupt) as error:
                # They would end the event loop.
                raise RuntimeError(f"it ended by {type(error).__name__}") from error
        place.keep()  # as long as the thread lives
        return await self._threads.run(
            lambda: encoded(self.function(*args, **kwargs), self.bounds.max_bytes), place.give
        )


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(
    *,
    name: str | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MIB,
    rate: str | None = None,
    at_once: int = 32,
) -> Callable[[Function], Function]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MIB,
    rate: str | None = None,
    at_once: int = 32,
) -> Function | Callable[[Function], Function]:
    """Makes a function a tool that sandboxed code can call; it can still be called as it was.

    Its docstring and type hints are what code, and a model, learn of it.

    Args:
        name: by default the function's own.
        timeout_s: until the answer is there, in seconds.
        max_bytes: of a result, as JSON; 7 MiB at the most.
        rate: how often one key may call it, such as ``10/s``, ``100/m`` or ``1000/h``; by default without a bound.
        at_once: calls that run side by side; others wait.

    Raises:
        InvalidRequest: if JSON cannot say what the function takes, or a bound is none.
    """
    if timeout_s <= 0 or at_once < 1 or not 0 < max_bytes <= _MOST_BYTES:
        raise InvalidRequest(
            f"timeout_s ({timeout_s}), at_once ({at_once}) and max_bytes ({max_bytes}) must be more than 0, "
            f"and max_bytes at most {_MOST_BYTES}"
        )
    bounds = Bounds(timeout_s, max_bytes, Rate.read(rate) if rate else None, at_once)

    def mark(function: Function) -> Function:
        setattr(function, MARK, FunctionTool(function, bounds, name))
        return function

    return mark if function is None else mark(function)


def tool_of(function: Callable[..., Any]) -> Tool:
    """The tool that a function was made by the decorator; any other becomes one with the usual bounds."""
    made = getattr(function, MARK, None)
    return made if isinstance(made, Tool) else FunctionTool(function, Bounds())


def tools_in(modules: Sequence[str]) -> Iterator[Tool]:
    """Import modules, and yield the tools in them.

    Raises:
        InvalidRequest: if a module cannot be imported, or has no tools.
    """
    for name in modules:
        try:
            module = import_module(name)
        except ImportError as error:
            raise InvalidRequest(
                f"the module {name!r} of the setting tools cannot be imported: {error}",
                hint="it must be on the path of this Python: install it, or set PYTHONPATH",
            ) from error
        except Exception as error:
            raise InvalidRequest(
                f"the module {name!r} of the setting tools fails when it is imported: {type(error).__name__}: {error}"
            ) from error
        found = [value for value in vars(module).values() if isinstance(getattr(value, MARK, None), Tool)]
        if not found:
            raise InvalidRequest(
                f"the module {name!r} of the setting tools has no tools", hint="decorate its functions: @insitu.tool"
            )
        yield from (tool_of(function) for function in found)
