"""The description at /openapi.json: request bodies are read by hand, so they are described by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    401: "No key, or an unknown one.",
    404: "Gone, never there, or someone else's.",
    413: "More bytes than this server or this session takes.",
    422: "Malformed, unknown, out of its range or over a ceiling.",
    429: "Your own share is used up; see `Retry-After`.",
    503: "The server is full or stopping; see `Retry-After`.",
}


class ErrorDetail(BaseModel):
    """What went wrong, for programs (`type`, `code`) and for people (`message`, `hint`)."""

    type: str = Field(description="the family, such as `invalid_request_error`")
    code: str = Field(description="what exactly, such as `session_not_found`")
    message: str
    hint: str | None = Field(None, description="what to do about it")
    request_id: str = Field(description="also in the header `x-request-id`, and in the server's log")


class ErrorBody(BaseModel):
    """The one error body of every route."""

    error: ErrorDetail


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The part of a route's description that names its JSON body."""
    schema = {"$ref": REFERENCE.format(model=model.__name__)}
    required = any(field.is_required() for field in model.model_fields.values())
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def takes_bytes() -> dict[str, Any]:
    """The part of a route's description that says that its body is raw."""
    return {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


def takes_form(
    properties: dict[str, Any], required: Sequence[str] = (), json: type[BaseModel] | None = None
) -> dict[str, Any]:
    """The part of a route's description that names the parts of its form, and the JSON that it takes instead."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    content: dict[str, Any] = {"multipart/form-data": {"schema": schema}}
    if json is not None:
        content |= takes(json)["requestBody"]["content"]
    return {"requestBody": {"required": True, "content": content}}


def answers(model: Any, status: int = 200, text: str = "Done.") -> dict[str, Any]:
    """The part of a route's declaration that names its answers; nothing is validated against them."""
    return {
        "status_code": status,
        "response_model": None,
        "responses": {status: {"description": text, **({"model": model} if model else {})}, **_errors()},
    }


def answers_bytes(listing: type[BaseModel] | None = None) -> dict[str, Any]:
    """The answers of a route that gives a file, or in some cases a list."""
    raw = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    declared = answers(listing, text="The bytes, or the list." if listing else "The bytes.")
    declared["responses"][200]["content"] = raw
    declared["responses"][206] = {"description": "The range that was asked for.", "content": raw}
    declared["responses"][416] = {"description": "The range begins after the file's end.", "model": ErrorBody}
    return declared


def describe(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    """Have the application's description hold the bodies that routes read by hand."""
    framework = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = framework()["components"]["schemas"]
            _, described = models_json_schema([(model, "validation") for model in bodies], ref_template=REFERENCE)
            schemas.update(described["$defs"])
        return framework()

    app.openapi = openapi  # type: ignore[method-assign]


def _errors() -> dict[int, dict[str, Any]]:
    return {status: {"description": text, "model": ErrorBody} for status, text in ERRORS.items()}
