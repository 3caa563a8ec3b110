"""What the route of batches takes and gives."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from ...web.fields import Name, Strict
from .function_models import InvokeRequest
from .lambda_models import LambdaRequest
from .models import ExecuteRequest
from .scheduling import Schedule

MOST_CALLS = 1000
# They are gone through while everybody waits: a thousand calls could name half a million.
_MOST_NAMED = 20_000
Kind = Literal["execute", "lambda", "function", "tool"]


class FunctionCall(InvokeRequest):
    """A call of a stored function."""

    name: Name


class ToolCall(Strict):
    """A call of one of the server's tools."""

    name: Name
    arguments: dict[str, Any] = Field({}, description="by its parameters, as GET /v1/tools lists them")


class BatchCall(Strict):
    """One call: exactly one of `execute`, `lambda`, `function` and `tool`."""

    id: Name | None = Field(None, description="by which `after` names it")
    after: list[Name] = Field([], max_length=MOST_CALLS, description="ids of the calls that have to end well before it")
    execute: ExecuteRequest | None = Field(None, description="the body of POST /v1/execute")
    function: FunctionCall | None = Field(None, description="the body of POST /v1/functions/{name}/invoke, and `name`")
    inline: LambdaRequest | None = Field(None, alias="lambda", description="the body of POST /v1/lambda")
    tool: ToolCall | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        parts = [self.execute, self.function, self.inline, self.tool]
        if sum(part is not None for part in parts) != 1:
            raise ValueError("a call of a batch has exactly one of execute, lambda, function and tool")
        if any(getattr(part, "stream", False) for part in parts):
            raise ValueError("a call of a batch does not stream; set stream for the whole batch")
        if self.inline is not None and self.inline.map is not None:
            raise ValueError("a lambda of a batch has no map: that is a request of its own, to /v1/lambda")
        if self.function is not None and self.function.background:
            raise ValueError("a function of a batch cannot be async: it would be answered before it has run")
        return self

    @property
    def kind(self) -> Kind:
        """What is called."""
        if self.execute is not None:
            return "execute"
        if self.inline is not None:
            return "lambda"
        return "function" if self.function is not None else "tool"


class BatchRequest(Strict):
    """Many calls in one request."""

    calls: list[BatchCall] = Field(min_length=1, max_length=MOST_CALLS)
    order: Literal["parallel", "sequence"] = Field(
        "parallel", description="side by side, but for what `after` says; or one after the other, as they stand"
    )
    on_failure: Literal["skip", "go_on"] = Field(
        "skip", description="what becomes of calls whose predecessors did not end well"
    )
    stream: bool = Field(False, description="answer with server-sent events as the calls end")

    @model_validator(mode="after")
    def _is_ordered_once(self) -> Self:
        if (named := sum(len(call.after) for call in self.calls)) > _MOST_NAMED:
            raise ValueError(f"after: the calls name {named} others in all, and {_MOST_NAMED} is the most")
        if self.order == "sequence" and any(call.after for call in self.calls):
            raise ValueError("after: only where order is parallel")
        return self

    def schedule(self) -> Schedule:
        """What is done when; raises InvalidRequest."""
        if self.order == "sequence":
            return Schedule.in_order(len(self.calls))
        return Schedule([call.id for call in self.calls], [call.after for call in self.calls])


class BatchItem(BaseModel):
    """What came of one call."""

    index: int = Field(description="its place in the request")
    id: str | None
    kind: Kind
    status: Literal["ok", "failed", "refused", "skipped"] = Field(
        description="`failed`: its outcome is not ok; `refused`: it could not be carried out, and `error` says why;"
        " `skipped`: one that it waited for did not end well"
    )
    answer: Any = Field(None, description="what the call's own route would have answered; of a tool, `{value}`")
    error: dict[str, Any] | None = Field(None, description="as in the body of an error")


class BatchAnswer(BaseModel):
    """All calls, in the order of the request, and how many have which status."""

    items: list[BatchItem]
    outcomes: dict[str, int]
