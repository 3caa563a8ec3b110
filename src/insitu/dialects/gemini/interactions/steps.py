"""Steps of interactions, and the same as contents and parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ....store import Item
from ....web.holding import check_count
from ....web.parameters import BadParameter, Unsupported
from ....web.shapes import Json

_MEDIA = ("image", "document", "audio", "video")
_CONTENT = ("text", *_MEDIA)
_ROLES = {
    "user_input": "user",
    "function_result": "user",
    "model_output": "model",
    "thought": "model",
    "code_execution_call": "model",
    "code_execution_result": "model",
    "function_call": "model",
}


def read_input(given: Any) -> list[Json]:
    """The input of a request as steps.

    Raises:
        BadParameter: if it is malformed.
    """
    if isinstance(given, str):
        given = {"type": "text", "text": given}
    listed = [given] if isinstance(given, dict) else given
    check_count("input", len(listed), "steps")
    kinds = [_kind(each, f"input[{index}]") for index, each in enumerate(listed)]
    if listed and all(kind in _CONTENT for kind in kinds):
        return [{"type": "user_input", "content": listed}]
    for index, kind in enumerate(kinds):
        if kind not in _ROLES:
            raise Unsupported(f"input[{index}].type", f"input[{index}]: the step {kind[:64]!r} is not known here")
    return list(listed)


def contents_of(items: Iterable[Item]) -> list[Json]:
    """Steps as contents, each with what one side said in a row.

    Raises:
        BadParameter: if one is malformed.
    """
    contents: list[Json] = []
    for item in items:
        role, parts = _ROLES[item.body["type"]], _parts(item.body, item.private)
        if not contents or contents[-1]["role"] != role:
            contents.append({"role": role, "parts": []})
        contents[-1]["parts"] += parts
    return contents


def step_of(part: Json) -> Json:
    """A part of an answer that is neither text nor a thought, as a step."""
    signed = {"signature": part["thoughtSignature"]} if "thoughtSignature" in part else {}
    if code := part.get("executableCode"):
        step = {"type": "code_execution_call", "id": code["id"]}
        return {**step, "arguments": {"code": code["code"], "language": "python"}, **signed}
    if result := part.get("codeExecutionResult"):
        failed = result["outcome"] != "OUTCOME_OK"
        return {
            "type": "code_execution_result",
            "call_id": result["id"],
            "result": result["output"],
            "is_error": failed,
        }
    if call := part.get("functionCall"):
        return {"type": "function_call", "id": call["id"], "name": call["name"], "arguments": call["args"], **signed}
    return {"type": "model_output", "content": [_shown(part["inlineData"])]}


def _shown(data: Json) -> Json:
    kind = "image" if data["mimeType"].startswith("image/") else "document"
    named = {"insitu": {"filename": data["displayName"]}} if "displayName" in data else {}
    return {"type": kind, "mime_type": data["mimeType"], "data": data["data"], **named}


def _kind(value: Any, where: str) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise BadParameter(where, f"{where} must be an object with a type")
    return kind


def _parts(step: Json, private: Json) -> list[Json]:
    match step["type"]:
        case "user_input":
            return [_content(each, "user_input") for each in _list(step.get("content"), "user_input")]
        case "function_result":
            return [_answer(step)]
        case "model_output":
            said = _list(step.get("content"), "model_output")
            return [{"text": each.get("text")} for each in said if each.get("type") == "text"]
        case "code_execution_call":
            arguments = step.get("arguments")
            code = {"code": arguments.get("code") if isinstance(arguments, dict) else None, "id": step.get("id")}
            return [{"executableCode": code, "thoughtSignature": step.get("signature")}]
        case "code_execution_result":
            told = private.get("told") or step.get("result")
            return [{"codeExecutionResult": {"id": step.get("call_id"), "output": told}}]
        case "function_call" if step.get("name") == "code_execution":
            return []  # the AI SDK sends code back as this, and nothing of what came of it
        case "function_call":
            called = {"id": step.get("id"), "name": step.get("name"), "args": step.get("arguments")}
            return [{"functionCall": called, "thoughtSignature": step.get("signature")}]
    return []  # thoughts are the model's own


def _content(content: Json, where: str) -> Json:
    kind = content.get("type")
    if kind == "text":
        return {"text": content.get("text")}
    if kind == "function_result":
        return _answer(content)  # the AI SDK has it here
    if kind not in _MEDIA:
        raise BadParameter(where, f"{where}: content must be one of: {', '.join(_CONTENT)}")
    if content.get("uri") is not None:
        return {"fileData": {"fileUri": content["uri"], "mimeType": content.get("mime_type")}}
    return {"inlineData": {"mimeType": content.get("mime_type"), "data": content.get("data")}}


def _answer(result: Json) -> Json:
    answered = {"id": result.get("call_id"), "name": result.get("name"), "response": result.get("result")}
    return {"functionResponse": answered}


def _list(value: Any, where: str) -> Sequence[Json]:
    listed = [] if value is None else value
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadParameter(where, f"{where}: its content must be a list of objects")
    return listed
