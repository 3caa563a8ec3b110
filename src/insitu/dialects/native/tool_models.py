"""What the routes of tools and of paused executions take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from ...engine import ToolFailure
from ...types import Execution
from ...web.fields import Strict

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]


class ClientTool(Strict):
    """A function of the client's own, which code can call: the execution is paused until the client answers."""

    name: ToolName
    description: str = Field("", max_length=16_384)
    parameters: dict[str, Any] = Field({}, description="the JSON schema of its arguments, an object")


class Failure(Strict):
    """An exception; one of Python's own is raised as that."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = "RuntimeError"
    message: str = Field("", max_length=16_384)


class AnswerRequest(Strict):
    """A client's answer to a call: a value, or an error that code gets in its place."""

    call_id: str = Field(max_length=128)
    value: Any = Field(None, description="JSON, or a value in the forms that the documentation lists")
    error: Failure | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if ("value" in self.model_fields_set) == (self.error is not None):
            raise ValueError("an answer has either a value or an error")
        return self

    def answer(self) -> object:
        """The answer as the engine takes it."""
        return self.value if self.error is None else ToolFailure(self.error.name, self.error.message)


class PendingCall(BaseModel):
    """A call that waits for the client's answer."""

    call_id: str
    name: str
    arguments: dict[str, Any]


class ExecutionState(BaseModel):
    """How far an execution with tools of the client is."""

    id: str
    session_id: str | None
    state: Literal["waiting", "running", "paused", "ended"] = Field(
        description="`waiting` for room or its turn, `paused` until the client answers its calls"
    )
    calls: list[PendingCall] = Field(description="those that wait for an answer")
    execution: Execution | None = Field(description="the whole of it, once it has ended")


class ToolInfo(BaseModel):
    """A tool that code can be granted."""

    name: str
    description: str
    parameters: dict[str, Any] = Field(description="the JSON schema of its arguments")
    source: str = Field(description="`python`, or `mcp:` and the name of a server")


class ToolList(BaseModel):
    """The server's tools."""

    tools: list[ToolInfo]
