"""What the routes of functions take and give."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ...errors import InvalidRequest, TooLarge
from ...settings import Settings
from ...types import DeployedFunction, FunctionSpec, Invocation
from ...web.fields import InlineFile, Name, Seconds, Strict
from .models import LimitsWish, Variables

MODULE, HANDLER = "function.py", "function.main"
_MOST_LISTED, _MOST_LOGGED = 100, 1000
_MORE = "whether there are more behind the last"


class DeployRequest(Strict):
    """A function to deploy: its code, and how that is to be run."""

    code: str | None = Field(None, description=f"the source of one module, {MODULE}; in place of files")
    files: list[InlineFile] = Field([], max_length=1000, description="what its sandboxes have in their workspaces")
    handler: Annotated[str, StringConstraints(max_length=256)] = Field(
        HANDLER, description="what is called: a module's name, a dot, and a function's name"
    )
    environment: Name | None = Field(None, description="one of GET /v1/environments")
    limits: LimitsWish | None = Field(None, description="what each of its sandboxes may use")
    timeout_s: Seconds | None = Field(None, description="wall time of an invocation, in seconds")
    env_vars: Variables = Field({}, description="environment variables; their values are never shown again")
    argument_schema: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON schema of the named arguments as one object; there are no others then"
    )
    concurrency: int = Field(0, ge=0, le=10_000, description="invocations running at once; 0: the server's default")
    reuse: bool = Field(True, description="whether invocations may follow one another in one sandbox")
    description: Annotated[str, StringConstraints(max_length=4096)] = ""
    publish: bool = Field(True, description="whether this becomes a version at once")

    @model_validator(mode="after")
    def _one_kind_of_code(self) -> Self:
        if (self.code is None) == (not self.files):
            raise ValueError("a function has either code or files")
        return self

    def spec(self, settings: Settings) -> FunctionSpec:
        """What is to be deployed.

        Raises:
            InvalidRequest: if something cannot be read, or is given twice.
            OverCeiling: if a limit is over the operator's.
            TooLarge: if there is too much code.
        """
        return FunctionSpec(
            files=self._contents(settings.code_bytes),
            handler=self.handler,
            environment=self.environment,
            limits=self.limits.under(settings) if self.limits else None,
            timeout_s=self.timeout_s,
            env_vars=self.env_vars,
            schema=self.argument_schema,
            description=self.description,
            concurrency=self.concurrency,
            reuse=self.reuse,
        )

    def _contents(self, most: int) -> dict[str, bytes]:
        if self.code is not None:
            return {MODULE: _encoded(self.code, most)}
        uploads = [file.upload() for file in self.files]
        contents = {upload.path: upload.content for upload in uploads}
        if len(contents) < len(uploads):
            raise InvalidRequest("files: two have the same path")
        return contents


class InvokeRequest(Strict):
    """A call of a function."""

    args: list[Any] = Field([], description="positional arguments, in the forms that the documentation lists")
    kwargs: dict[str, Any] = Field({}, description="named arguments")
    qualifier: Name | None = Field(None, description="a version's number or an alias; by default the newest revision")
    background: bool = Field(
        False, alias="async", description="accept it, and answer at once: how it ends is told at its own address"
    )


class AliasRequest(Strict):
    """What an alias is to name."""

    version: int = Field(gt=0, lt=1 << 31)


class QualifierQuery(BaseModel):
    """Which revision is meant."""

    model_config = ConfigDict(extra="forbid")

    qualifier: Name | None = Field(None, description="a version's number or an alias; by default the newest revision")


class NameQuery(BaseModel):
    """Which functions to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(_MOST_LISTED, ge=1, le=_MOST_LISTED)
    after: Name | None = Field(None, description="those behind this name; it need not be there any more")


class VersionQuery(BaseModel):
    """Which versions to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(_MOST_LISTED, ge=1, le=_MOST_LISTED)
    after: int = Field(0, ge=0, lt=1 << 31, description="those behind this number; it need not be there any more")


class LogQuery(BaseModel):
    """How much of the log to show."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=_MOST_LOGGED)
    after: Name | None = Field(None, description="those that are older than the invocation of this id")


class InvocationQuery(BaseModel):
    """How to be told of an invocation."""

    model_config = ConfigDict(extra="forbid")

    stream: bool = Field(False, description="answer with server-sent events, from its beginning to its end")


class FunctionList(BaseModel):
    """The newest revision of each of the caller's functions."""

    functions: list[DeployedFunction]
    has_more: bool = Field(description=_MORE)


class VersionList(BaseModel):
    """The versions of a function, the oldest first."""

    versions: list[DeployedFunction]
    has_more: bool = Field(description=_MORE)


class InvocationList(BaseModel):
    """Invocations that have ended, the newest first, without what they returned."""

    invocations: list[Invocation]
    has_more: bool = Field(description=_MORE)


def _encoded(code: str, most: int) -> bytes:
    try:
        encoded = code.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the code is not valid Unicode: {error.reason}") from None
    if len(encoded) > most:
        raise TooLarge(f"the code has {len(encoded)} bytes; at most {most} are taken", hint="put data into files")
    return encoded
