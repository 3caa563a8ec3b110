"""Python functions as tools: what their type hints and docstrings say, as a JSON schema."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from .errors import InvalidRequest

_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

# Where the decorator leaves what it has made of a function.
MARK = "__insitu_tool__"
TIMEOUT_S = 30.0

Bound = tuple[tuple[Any, ...], dict[str, Any]]


class Signature:
    """A function's name, docstring and parameters.

    Args:
        parameters: the JSON schema of its arguments, made from the type hints.

    Raises:
        InvalidRequest: if JSON cannot say what the function takes.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self.description = inspect.getdoc(function) or ""
        self._check(function)
        try:
            binding: Any = _binding(function)
            self._adapter: TypeAdapter[Bound] = TypeAdapter(binding, config=_CONFIG)
            self.parameters: Mapping[str, Any] = self._adapter.json_schema(schema_generator=_Untitled)
        except (PydanticUserError, PydanticInvalidForJsonSchema, NameError, TypeError) as error:
            raise InvalidRequest(f"the function {self.name!r} cannot be a tool: {_first_line(error)}") from None

    def bind(self, arguments: Mapping[str, Any]) -> Bound:
        """The arguments for a call, from plain JSON.

        Raises:
            InvalidRequest: if they are none of the function's.
        """
        try:
            return self._adapter.validate_json(orjson.dumps(arguments))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)[:5]
            told = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults)
            raise InvalidRequest(told) from None

    def _check(self, function: Callable[..., Any]) -> None:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                raise InvalidRequest(
                    f"the function {self.name!r} cannot be a tool: {str(parameter)!r} cannot be passed by name"
                )


def marked(function: Callable[..., Any]) -> tuple[str | None, float]:
    """The name that ``@insitu.tool`` has given a function, if it has, and the time-out in seconds."""
    made = getattr(function, MARK, None)
    return (None, TIMEOUT_S) if made is None else (made.name, made.bounds.timeout_s)


class _Untitled(GenerateJsonSchema):
    """Without titles, which say once more what the name says."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _binding(function: Callable[..., Any]) -> Callable[..., Bound]:
    """A function of the same signature that returns its arguments."""

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Bound:
        return args, kwargs

    # What the function returns is its own business.
    bound.__annotations__ = {name: hint for name, hint in bound.__annotations__.items() if name != "return"}
    return bound


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
