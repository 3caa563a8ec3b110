"""What AWS's clients ask for, as botocore's description of the service has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal
from starlette.requests import Request

from ...web.wire import read_json
from .errors import invalid

Body = TypeVar("Body", bound="Asked")

# Fields of AWS's that say nothing here, as long as they ask for nothing else.
_NEUTRAL: Mapping[str, Any] = {
    "LoggingConfig": {"LogFormat": "Text"},
    "PackageType": "Zip",
    "SnapStart": {"ApplyOn": "None"},
    "TracingConfig": {"Mode": "PassThrough"},
}


class Asked(BaseModel):
    """A request's body; a field that has no place here is refused, unless it asks for nothing."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="allow", strict=True)

    def refuse_unsupported(self) -> None:
        """Raise AwsError for the first field that asks for what cannot be had."""
        for inner in (getattr(self, name) for name in type(self).model_fields):
            if isinstance(inner, Asked):
                inner.refuse_unsupported()
        for name, value in (self.model_extra or {}).items():
            if not _is_empty(value) and value != _NEUTRAL.get(name):
                raise invalid(f"{name[:200]} is not supported by insitu", hint="see docs/aws-lambda.md; leave it out")


async def read_asked(request: Request, model: type[Body], cap: int) -> Body:
    """The body of a request.

    Raises:
        InvalidRequest: if it is not what the model says.
        AwsError: if it asks for what cannot be had.
        TooLarge: if it has more than ``cap`` bytes.
    """
    asked = await read_json(request, model, cap)
    asked.refuse_unsupported()
    return asked


class Variables(Asked):
    """Environment variables."""

    variables: dict[str, str] = Field(default_factory=dict, fail_fast=True)


class Storage(Asked):
    """The size of ``/tmp`` and all else that is written, in MiB."""

    size: int = Field(ge=1)


class Code(Asked):
    """A deployment package."""

    zip_file: str | None = None


class Configured(Asked):
    """What a function can be told apart from its code; None is what was not said."""

    runtime: str | None = Field(None, max_length=100)
    role: str | None = Field(None, max_length=2048)
    handler: str | None = Field(None, max_length=128, pattern=r"^\S+$")
    description: str | None = Field(None, max_length=256)
    timeout: int | None = Field(None, ge=1)
    memory_size: int | None = Field(None, ge=1)
    environment: Variables | None = None
    ephemeral_storage: Storage | None = None


class CreateFunction(Configured):
    """CreateFunction."""

    function_name: str
    role: str = Field(max_length=2048)
    code: Code
    publish: bool = False
    architectures: list[str] | None = Field(None, max_length=1)
    tags: dict[str, str] | None = Field(None, max_length=50, fail_fast=True)


class UpdateCode(Code):
    """UpdateFunctionCode."""

    publish: bool = False
    dry_run: bool = False
    revision_id: str | None = None
    architectures: list[str] | None = Field(None, max_length=1)


class UpdateConfiguration(Configured):
    """UpdateFunctionConfiguration."""

    revision_id: str | None = None


class PublishVersion(Asked):
    """PublishVersion."""

    code_sha256: str | None = Field(None, alias="CodeSha256")
    description: str | None = Field(None, max_length=256)
    revision_id: str | None = None


class UpdateAlias(Asked):
    """UpdateAlias."""

    function_version: str | None = None
    revision_id: str | None = None


class CreateAlias(Asked):
    """CreateAlias."""

    name: str
    function_version: str


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(each) for each in value.values())
    return value is None or value is False or value == "" or value == []
