"""The description at /openapi.json: request bodies are read by hand, so they are described by hand."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .models import (
    CreateSessionRequest,
    ErrorBody,
    ExecuteRequest,
    FileList,
    SessionExecuteRequest,
    UpdateSessionRequest,
)

REFERENCE = "#/components/schemas/{model}"
BODIES: tuple[type[BaseModel], ...] = (
    CreateSessionRequest,
    ExecuteRequest,
    SessionExecuteRequest,
    UpdateSessionRequest,
)
ERRORS = {
    401: "No key, or an unknown one.",
    404: "Gone, never there, or someone else's.",
    413: "More bytes than this server or this session takes.",
    422: "Malformed, unknown, out of its range or over a ceiling.",
    429: "Your own share is used up; see `Retry-After`.",
    503: "The server is full or stopping; see `Retry-After`.",
}
STREAM = (
    "With `stream`: events `started`, `stdout`, `stderr`, `result` and last `finished`, which carries the"
    " whole execution; `id` counts from 0. Comments keep a silent stream alive. An error in the midst is"
    " the event `error`."
)


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The part of a route's description that names its JSON body."""
    schema = {"$ref": REFERENCE.format(model=model.__name__)}
    required = any(field.is_required() for field in model.model_fields.values())
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def takes_bytes() -> dict[str, Any]:
    """The part of a route's description that says that its body is raw."""
    return {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


def answers_bytes() -> dict[str, Any]:
    """The answers of a route that gives a file, or with ``depth`` a list."""
    raw = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    declared = answers(FileList, text="The bytes, or the list.")
    declared["responses"][200]["content"] = raw
    declared["responses"][206] = {"description": "The range that was asked for.", "content": raw}
    declared["responses"][416] = {"description": "The range begins after the file's end.", "model": ErrorBody}
    return declared


def answers(model: Any, status: int = 200, text: str = "Done.") -> dict[str, Any]:
    """The part of a route's declaration that names its answers; nothing is validated against them."""
    return {
        "status_code": status,
        "response_model": None,
        "responses": {status: {"description": text, **({"model": model} if model else {})}, **_errors()},
    }


def streams_or(model: Any) -> dict[str, Any]:
    """The answers of a route that can stream."""
    declared = answers(model, text="The execution, whatever its outcome.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"type": "string", "description": STREAM}}}
    return declared


def describe(app: FastAPI) -> None:
    """Have the application's description hold the bodies that routes read by hand."""
    framework = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = framework()["components"]["schemas"]
            _, bodies = models_json_schema([(model, "validation") for model in BODIES], ref_template=REFERENCE)
            schemas.update(bodies["$defs"])
        return framework()

    app.openapi = openapi  # type: ignore[method-assign]


def _errors() -> dict[int, dict[str, Any]]:
    return {status: {"description": text, "model": ErrorBody} for status, text in ERRORS.items()}
