"""What the route of inline lambdas takes and gives."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from ...functions.arguments import Inputs, arguments, spread
from ...types import CodeError, Outcome, Timings, Truncated, Usage
from ...web.fields import Seconds
from .models import Variables, WithSandbox

_MOST_INPUTS = 100_000


class LambdaRequest(WithSandbox):
    """A function to call, once, or for many inputs side by side."""

    source: str = Field(alias="lambda", description="a lambda, or Python that ends in a function's definition")
    args: list[Any] = Field([], description="positional arguments: values in the forms that the documentation lists")
    kwargs: dict[str, Any] = Field({}, description="named arguments")
    map: list[Any] | None = Field(
        None, max_length=_MOST_INPUTS, description="call it for each of these, which comes before `args`"
    )
    star: bool = Field(False, description="with map: a list in it is several arguments, an object named ones")
    stream: bool = Field(False, description="with map: answer with server-sent events as the calls end")
    timeout_s: Seconds | None = Field(None, description="wall time of each call, in seconds")
    env_vars: Variables = Field({}, description="environment variables of the calls")

    @model_validator(mode="after")
    def _of_a_map(self) -> Self:
        given = [name for name in ("star", "stream") if getattr(self, name)]
        if given and self.map is None:
            raise ValueError(f"{' and '.join(given)}: only with map")
        return self

    def inputs(self) -> Inputs:
        """The arguments of every call of a map; raises InvalidRequest, or TooLarge."""
        return spread(self.map or (), self.args, self.kwargs, self.star)

    def given(self) -> bytes:
        """The arguments of the one call; raises InvalidRequest."""
        return arguments(self.args, self.kwargs)


class LambdaAnswer(BaseModel):
    """One call; `index` is the place of its input, in a map."""

    result: Any = Field(description="what the function returned, in the forms that the documentation lists")
    outcome: Outcome
    state_kept: bool
    stdout: str
    stderr: str
    error: CodeError | None
    truncated: Truncated
    usage: Usage
    timings: Timings
    id: str
    index: int | None = None


class MapAnswer(BaseModel):
    """All calls of a map, in the order of its inputs, and how many had which outcome."""

    items: list[LambdaAnswer]
    outcomes: dict[Outcome, int]
