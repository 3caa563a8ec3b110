"""The description at /openapi.json: request bodies are read by hand, so they are described by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from .downloads import TYPES

REFERENCE = "#/components/schemas/{model}"
_BYTES = {"type": "string", "format": "binary"}
MALFORMED = "Malformed, unknown, out of its range or over a ceiling."
ERRORS = {
    401: "No key, or an unknown one.",
    403: "From a web page, where there are no keys, or under a name that is not this server's.",
    404: "Gone, never there, or someone else's.",
    408: "The body stopped coming.",
    413: "More bytes than this server or this session takes.",
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


@dataclass(frozen=True, slots=True)
class Errors:
    """How a dialect describes its errors.

    Args:
        statuses: those that it has, and what they mean.
        body: what it answers with them.
    """

    statuses: Mapping[int, str]
    body: type[BaseModel]

    def described(self) -> dict[int | str, dict[str, Any]]:
        """The part of a route's declaration that names them."""
        return {status: {"description": text, "model": self.body} for status, text in self.statuses.items()}


NATIVE = Errors({**ERRORS, 422: MALFORMED}, ErrorBody)


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The part of a route's description that names its JSON body."""
    schema = {"$ref": REFERENCE.format(model=model.__name__)}
    required = any(field.is_required() for field in model.model_fields.values())
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def takes_object() -> dict[str, Any]:
    """The part of a route's description that says that its body is some JSON object."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


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


def answers(
    model: Any, status: int = 200, text: str = "Done.", *, replaced: str | None = None, errors: Errors = NATIVE
) -> dict[str, Any]:
    """The part of a route's declaration that names its answers; nothing is validated against them.

    Args:
        replaced: what 200 means, beside another status.
    """
    done = {"model": model} if model else {}
    return {
        "status_code": status,
        "response_model": None,
        "responses": {
            status: {"description": text, **done},
            **({200: {"description": replaced, **done}} if replaced else {}),
            **errors.described(),
        },
    }


def answers_bytes(*, or_list: str | None = None, errors: Errors = NATIVE) -> dict[str, Any]:
    """The answers of a route that gives a file, or the list of the model ``or_list``."""
    raw = {mime: {"schema": _BYTES} for mime in sorted({*TYPES.values(), "application/octet-stream"})}
    # Which of the two it is, the request says: a file can hold any JSON.
    listed = {"anyOf": [{"$ref": REFERENCE.format(model=or_list)}, {}]} if or_list else {}
    declared = answers(None, text="The bytes, or the list." if or_list else "The bytes.", errors=errors)
    responses = declared["responses"]
    responses[200]["content"] = {**raw, "application/json": {"schema": listed}}
    responses[206] = {"description": "The range that was asked for.", "content": {**raw, "application/json": {}}}
    responses[416] = {"description": "The range begins after the file's end.", "model": errors.body}
    return declared


def answers_elsewhere() -> dict[str, Any]:
    """The answers of a route whose requests go to the model server, if they are not answered here."""
    text = "Any other answer of the model server, as it is; or an error of this one's."
    return {"response_model": None, "responses": {200: {"description": "Done."}, "default": {"description": text}}}


def describe(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    """Have the application's description hold the bodies that routes read by hand."""
    framework = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = framework()["components"]["schemas"]
            _leave_out_frameworks_errors(framework())
            _, described = models_json_schema([(model, "validation") for model in bodies], ref_template=REFERENCE)
            schemas.update(described["$defs"])
        return framework()

    app.openapi = openapi  # type: ignore[method-assign]


def _leave_out_frameworks_errors(description: dict[str, Any]) -> None:
    # It adds its own to every route with a parameter that does not describe this status; none ever gives it.
    for operation in (operation for methods in description["paths"].values() for operation in methods.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(name, None)
