"""The functions of this program that code on a server may call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from insitu.errors import InsituError, InvalidRequest
from insitu.threads import Threads

from .calls import Call

if TYPE_CHECKING:
    from insitu.signatures import Signature
    from insitu.types import Event, Execution

Functions = Sequence[Callable[..., Any]]
AT_ONCE = 32
# Of functions, those that hang included.
_MOST_THREADS = 2 * AT_ONCE


@dataclass(frozen=True, slots=True)
class ClientTool:
    """One of them.

    Args:
        timeout_s: what a call may take, in seconds.
    """

    function: Callable[..., Any]
    signature: Signature
    timeout_s: float

    @property
    def is_async(self) -> bool:
        """Whether a call is to be awaited."""
        return inspect.iscoroutinefunction(self.function)


class ClientTools:
    """The functions, as code sees them, and the calls of them.

    Raises:
        InvalidRequest: if a function cannot be a tool.
    """

    def __init__(self, functions: Functions) -> None:
        from insitu.signatures import Signature, marked

        self._tools: dict[str, ClientTool] = {}
        for function in functions:
            name, timeout_s = marked(function)
            signature = Signature(function, name)
            if signature.name in self._tools:
                raise InvalidRequest(f"client_tools: two are called {signature.name!r}")
            self._tools[signature.name] = ClientTool(function, signature, timeout_s)
        self.threads = Threads(_MOST_THREADS)

    def __getitem__(self, name: str) -> ClientTool:
        return self._tools[name]

    def declared(self, call: Call[Execution]) -> Call[Execution]:
        """A call that runs code, with the functions for it."""
        declared = [
            {"name": name, "description": tool.signature.description, "parameters": tool.signature.parameters}
            for name, tool in self._tools.items()
        ]
        return replace(call, body={**(call.body or {}), "client_tools": declared})

    def result(self, called: Mapping[str, Any]) -> Any:
        """What the function returns; of an async one, what is to be awaited."""
        tool = self._tools[called["name"]]
        args, kwargs = tool.signature.bind(called["arguments"])
        return tool.function(*args, **kwargs)

    def called(self, event: Event) -> bool:
        """Whether an event is a call of one of them."""
        return event.kind == "tool_call" and event.data["name"] in self._tools

    def late(self, called: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call that has had its time."""
        timeout_s = self._tools[called["name"]].timeout_s
        return failed(TimeoutError(f"{called['name']} did not answer within {timeout_s:g} s"))

    def refuse_async(self) -> None:
        """Raise InvalidRequest if there is a function that needs an event loop."""
        for name, tool in self._tools.items():
            if tool.is_async:
                raise InvalidRequest(f"client_tools: {name!r} is async", hint="use insitu.AsyncClient")


def failed(error: Exception) -> dict[str, Any]:
    """The answer to a call that has failed."""
    if isinstance(error, InsituError):  # nothing that code knows: an argument or a result that cannot cross
        return {"error": {"name": "ValueError", "message": error.message[:16_384]}}
    return {"error": {"name": type(error).__name__[:128], "message": str(error)[:16_384]}}
