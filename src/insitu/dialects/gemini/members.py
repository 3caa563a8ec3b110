"""The members that Google's JSON has; others are refused, word for word as Google does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...web.parameters import BadParameter
from .casing import camel


def _free(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "")


# By the names of google-genai's types; each member with the type of what is in it, or "" for what nobody checks here.
MESSAGES: Mapping[str, Mapping[str, str]] = {
    "GenerateContentRequest": _free(
        "cached_content contents continuation_token generation_config labels model model_armor_config safety_settings "
        "service_tier store system_instruction tool_config tools"
    ),
    "GenerationConfig": {
        **_free(
            "audio_timestamp audio_transcription_config candidate_count enable_affective_dialog "
            "enable_enhanced_civic_answers frequency_penalty image_config logprobs max_output_tokens media_resolution "
            "model_selection_config presence_penalty response_format response_json_schema response_logprobs "
            "response_mime_type response_modalities response_schema routing_config seed speech_config stop_sequences "
            "temperature top_k top_p translation_config"
        ),
        "thinking_config": "ThinkingConfig",
    },
    "ThinkingConfig": _free("include_thoughts thinking_budget thinking_level"),
    "Tool": {
        **_free(
            "computer_use enterprise_web_search exa_ai_search file_search google_maps google_search "
            "google_search_retrieval mcp_servers parallel_ai_search retrieval url_context"
        ),
        "code_execution": "ToolCodeExecution",
        "function_declarations": "FunctionDeclaration",
    },
    "ToolCodeExecution": {},
    "FunctionDeclaration": _free(
        "behavior description name parameters parameters_json_schema response response_json_schema"
    ),
    "ToolConfig": {
        **_free("include_server_side_tool_invocations retrieval_config"),
        "function_calling_config": "FunctionCallingConfig",
    },
    "FunctionCallingConfig": _free("allowed_function_names mode stream_function_call_arguments"),
    "Content": {"parts": "Part", "role": ""},
    "Part": {
        **_free(
            "audio_metadata audio_transcription document_metadata media_processing media_resolution part_metadata "
            "speech_metadata spreadsheet_metadata text thought thought_signature tool_call tool_response video_metadata"
        ),
        "code_execution_result": "CodeExecutionResult",
        "executable_code": "ExecutableCode",
        "file_data": "FileData",
        "function_call": "FunctionCall",
        "function_response": "FunctionResponse",
        "inline_data": "Blob",
    },
    "Blob": _free("data display_name mime_type"),
    "CodeExecutionResult": _free("id outcome output"),
    "ExecutableCode": _free("code id language"),
    "FileData": _free("display_name file_uri mime_type"),
    "FunctionCall": _free("args id name partial_args will_continue"),
    "FunctionResponse": _free("id name parts response scheduling will_continue"),
}
# Google takes both spellings.
_SPELLED = {
    message: {spelling: name for name in known for spelling in (name, camel(name))}
    for message, known in MESSAGES.items()
}


def check_message(value: Any, message: str, where: str) -> None:
    """Refuse what a message, or each of a list of them, has beside its members.

    Args:
        message: its name among ``MESSAGES``.

    Raises:
        BadParameter: for the first that is unknown.
    """
    if isinstance(value, list):
        for index, each in enumerate(value):
            check_message(each, message, f"{where}[{index}]")
    elif isinstance(value, dict):
        spelled = _SPELLED[message]
        check_names(value, spelled, where)
        for spelling, inner in value.items():
            if within := MESSAGES[message][spelled[spelling]]:
                check_message(inner, within, f"{where}.{spelled[spelling]}".lstrip("."))


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse a name that is not known.

    Raises:
        BadParameter: for the first.
    """
    if (unknown := next((name for name in names if name not in known), None)) is not None:
        at = f" at '{where}'" if where else ""
        raise BadParameter(
            f"{where}.{unknown[:64]}".lstrip("."),
            f'Invalid JSON payload received. Unknown name "{unknown[:64]}"{at}: Cannot find field.',
        )
