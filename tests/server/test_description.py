"""The description at /openapi.json says what the routes do."""

from __future__ import annotations

from typing import Any

import pytest

from insitu.server.app import create_app
from insitu.settings import Settings

ROUTES = {
    "POST /v1/execute": "execute",
    "POST /v1/sessions": "create_session",
    "GET /v1/sessions": "list_sessions",
    "GET /v1/sessions/{session_id}": "get_session",
    "PATCH /v1/sessions/{session_id}": "update_session",
    "DELETE /v1/sessions/{session_id}": "delete_session",
    "POST /v1/sessions/{session_id}/execute": "execute_in_session",
    "POST /v1/sessions/{session_id}/interrupt": "interrupt",
    "GET /v1/sessions/{session_id}/files": "list_files",
    "GET /v1/sessions/{session_id}/files/{path}": "read_file",
    "PUT /v1/sessions/{session_id}/files/{path}": "write_file",
    "DELETE /v1/sessions/{session_id}/files/{path}": "delete_file",
    "GET /v1/environments": "list_environments",
    "GET /": "about",
    "GET /healthz": "health",
    "GET /readyz": "readiness",
    "GET /metrics": "metrics",
}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_there_under_a_clean_name(description: dict[str, Any]) -> None:
    found = {route: operation["operationId"] for route, operation in operations(description).items()}
    assert found == ROUTES


def test_every_route_says_what_it_does(description: dict[str, Any]) -> None:
    assert all(operation["description"] for operation in operations(description).values())


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in references(description)} <= set(schemas)


def test_bodies_and_answers_are_described(description: dict[str, Any]) -> None:
    execute = operations(description)["POST /v1/execute"]
    assert execute["requestBody"]["required"] is True
    asked = execute["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    properties = description["components"]["schemas"][asked]["properties"]
    assert {"code", "session_id", "stream", "timeout_s", "limits", "files", "return_files"} <= set(properties)
    given = execute["responses"]["200"]["content"]
    assert set(given) == {"application/json", "text/event-stream"}
    assert given["application/json"]["schema"]["$ref"].endswith("/Execution")
    assert operations(description)["POST /v1/sessions"]["requestBody"]["required"] is False


def test_errors_are_described_in_the_one_shape(description: dict[str, Any]) -> None:
    for route, operation in operations(description).items():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        for answer in errors.values():
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}, route
    assert {"401", "404", "413", "422", "429", "503"} <= set(operations(description)["POST /v1/execute"]["responses"])


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()
