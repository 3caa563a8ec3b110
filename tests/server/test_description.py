"""The description at /openapi.json says what the routes do."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from insitu.server.app import create_app
from insitu.settings import Settings
from insitu.web.reference import page

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
    "GET /v1/tools": "list_tools",
    "GET /v1/executions/{execution_id}": "get_execution",
    "GET /v1/executions/{execution_id}/events": "follow_execution",
    "POST /v1/executions/{execution_id}/answers": "answer_call",
    "POST /v1/executions/{execution_id}/interrupt": "interrupt_execution",
    "POST /v1/lambda": "call_lambda",
    "POST /v1/functions/{name}/invoke": "invoke_function",
    "PUT /v1/functions/{name}": "deploy_function",
    "GET /v1/functions/{name}": "get_function",
    "DELETE /v1/functions/{name}": "delete_function",
    "POST /v1/functions/{name}/publish": "publish_function",
    "PUT /v1/functions/{name}/aliases/{alias}": "set_alias",
    "DELETE /v1/functions/{name}/aliases/{alias}": "delete_alias",
    "GET /v1/functions": "list_functions",
    "GET /v1/functions/{name}/versions": "list_versions",
    "GET /v1/functions/{name}/invocations": "list_invocations",
    "GET /v1/functions/{name}/invocations/{id}": "get_invocation",
    "POST /v1/batch": "run_batch",
    "POST /v1/responses": "create_response",
    "GET /v1/responses/{response_id}": "retrieve_response",
    "DELETE /v1/responses/{response_id}": "delete_response",
    "POST /v1/responses/{response_id}/cancel": "cancel_response",
    "GET /v1/responses/{response_id}/input_items": "list_input_items",
    "POST /v1/chat/completions": "create_chat_completion",
    "GET /v1/models": "list_models",
    "GET /v1/models/{model}": "retrieve_model",
    "POST /v1/containers": "create_container",
    "GET /v1/containers": "list_containers",
    "GET /v1/containers/{container_id}": "retrieve_container",
    "DELETE /v1/containers/{container_id}": "delete_container",
    "POST /v1/containers/{container_id}/files": "add_container_file",
    "GET /v1/containers/{container_id}/files": "list_container_files",
    "GET /v1/containers/{container_id}/files/{file_id}": "retrieve_container_file",
    "DELETE /v1/containers/{container_id}/files/{file_id}": "delete_container_file",
    "GET /v1/containers/{container_id}/files/{file_id}/content": "download_container_file",
    "POST /v1/files": "upload_file",
    "GET /v1/files": "list_uploaded_files",
    "GET /v1/files/{file_id}": "retrieve_uploaded_file",
    "DELETE /v1/files/{file_id}": "delete_uploaded_file",
    "GET /v1/files/{file_id}/content": "download_uploaded_file",
    "POST /v1/conversations": "create_conversation",
    "GET /v1/conversations/{conversation_id}": "retrieve_conversation",
    "POST /v1/conversations/{conversation_id}": "update_conversation",
    "DELETE /v1/conversations/{conversation_id}": "delete_conversation",
    "POST /v1/conversations/{conversation_id}/items": "create_conversation_items",
    "GET /v1/conversations/{conversation_id}/items": "list_conversation_items",
    "GET /v1/conversations/{conversation_id}/items/{item_id}": "retrieve_conversation_item",
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}": "delete_conversation_item",
    "POST /v1/messages": "create_message",
    "POST /v1/messages/count_tokens": "count_message_tokens",
    "POST /v1beta/interactions": "create_interaction",
    "GET /v1beta/interactions/{interaction_id}": "get_interaction",
    "DELETE /v1beta/interactions/{interaction_id}": "delete_interaction",
    "POST /v1beta/interactions/{interaction_id}/cancel": "cancel_interaction",
    "POST /upload/v1beta/files": "upload_gemini_file",
    "GET /v1beta/files": "list_gemini_files",
    "GET /v1beta/files/{file_id}": "get_gemini_file",
    "DELETE /v1beta/files/{file_id}": "delete_gemini_file",
    "GET /v1beta/files/{file_id}:download": "download_gemini_file",
    "GET /v1beta/models": "list_gemini_models",
    "GET /v1beta/models/{model}": "get_gemini_model",
    "POST /v1beta/models/{model}:countTokens": "count_tokens",
    "POST /v1beta/models/{model}:generateContent": "generate_content",
    "POST /v1beta/models/{model}:streamGenerateContent": "stream_generate_content",
    "GET /": "about",
    "GET /healthz": "health",
    "GET /readyz": "readiness",
    "GET /metrics": "metrics",
}

_BODIES = {"openai": "OpenAIErrorBody", "anthropic": "AnthropicErrorBody"}


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


def test_errors_are_described_in_the_shape_of_the_dialect(description: dict[str, Any]) -> None:
    for route, operation in operations(description).items():
        errors = {status: answer for status, answer in operation["responses"].items() if "400" <= status < "600"}
        body = next((_BODIES[tag] for tag in operation["tags"] if tag in _BODIES), "ErrorBody")
        for answer in errors.values():
            assert answer["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{body}"}, route
    assert {"401", "404", "413", "422", "429", "503"} <= set(operations(description)["POST /v1/execute"]["responses"])


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_page_for_people_has_all_of_it_and_runs_nothing(client: httpx2.Client) -> None:
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    description, shown = client.get("/openapi.json").json(), answer.text
    for path, methods in description["paths"].items():
        for method in methods.keys() - {"parameters"}:
            assert f"<code>{method.upper()} {path}</code>" in shown
    assert set(re.findall(r'id="(.+?)"', shown)) == description["components"]["schemas"].keys()
    assert set(re.findall(r'href="#(.+?)"', shown)) <= description["components"]["schemas"].keys()
    assert not re.search(r"<script|<link|<img|src=|https?://", shown)


def test_the_page_takes_no_words_for_its_own() -> None:
    about = {"title": "<b>", "version": "1"}
    described = {"info": about, "paths": {}, "components": {"schemas": {"a": {"description": "<script>"}}}}
    assert "<b>" not in page(described)
    assert "<script>" not in page(described)
