"""What the bodies of several dialects are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from ..engine import FileUpload
from ..errors import InvalidRequest
from ..heavy import decoded, heavy

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, lt=1 << 63)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Path = Annotated[str, StringConstraints(max_length=4096)]


def either(*kinds: type, otherwise: str) -> BeforeValidator:
    """Checks a union as one: pydantic by itself tells what is wrong with each of its parts.

    Args:
        otherwise: what is told of a value that is of none of the kinds.
    """

    def check(value: object) -> object:
        if not isinstance(value, kinds):
            raise ValueError(otherwise)
        return value

    return BeforeValidator(check)


class Strict(BaseModel):
    """A body in which nothing is ignored and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TurnOptions(BaseModel):
    """What only this server has."""

    model_config = ConfigDict(extra="forbid")

    max_steps: int | None = Field(None, ge=1, description="model calls of this turn")
    tools: list[str] | None = Field(
        None, max_length=1000, description="the server's tools that code may call, by name; * for all"
    )


class InlineFile(Strict):
    """A file that comes with the code: its path in the workspace, and its content in one of two forms."""

    path: Path
    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError(f"files: {self.path!r} must have either text or base64")
        return self

    @property
    def size(self) -> int:
        """The length of its content as it came."""
        return len(self.text or self.base64 or "")

    def upload(self) -> FileUpload:
        """The file as bytes."""
        if self.text is not None:
            return FileUpload(self.path, self.text.encode())
        try:
            return FileUpload(self.path, decoded(self.base64 or ""))
        except ValueError as exc:
            raise InvalidRequest(f"files: the base64 of {self.path!r} cannot be read: {exc}") from None


async def uploads(files: Iterable[InlineFile]) -> list[FileUpload]:
    """All of them as bytes; those that are large are read in threads.

    Raises:
        InvalidRequest: if the base64 of one cannot be read.
    """
    return [await heavy(file.size, file.upload) for file in files]
