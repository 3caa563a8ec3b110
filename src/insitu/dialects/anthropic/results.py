"""What came of code: as the content of a result block, and as the model reads it again from there."""

from __future__ import annotations

from collections.abc import Mapping

from ...output import streams_of
from ...turn import events as on
from ...turn.editing import Created, Edit, Replaced
from ...types import Execution
from ...web.shapes import Json

USES: Mapping[str, str] = {
    "python": "code_execution",
    "shell": "bash_code_execution",
    "editor": "text_editor_code_execution",
}
"""The names of the uses of the server's tools; those of the blocks of their results begin with them."""

# The codes of failures that Anthropic has a word for; of all others it says that the tool is unavailable.
_CODES = {
    "invalid_arguments": "invalid_tool_input",
    "invalid_tool_input": "invalid_tool_input",
    "file_not_found": "file_not_found",
    "quota_exceeded": "too_many_requests",
}


def result_block(kind: str, use_id: str, content: Json) -> Json:
    """The block that tells what came of a use."""
    return {"type": f"{USES[kind]}_tool_result", "tool_use_id": use_id, "content": content}


def content_of(kind: str, event: on.CallDone) -> Json:
    """What is in the block of a call's result."""
    if event.edit is not None:
        return _edited(USES[kind], event.edit)
    execution = event.execution
    if event.failure is not None or execution is None:
        return error_content(kind, _CODES.get(event.failure_code or "", "unavailable"), event.failure or event.told)
    if execution.outcome == "timeout":
        return error_content(kind, "execution_time_exceeded", event.told)
    return _executed(USES[kind], execution, [file.id for file in event.files])


def error_content(kind: str, code: str, why: str) -> Json:
    """What is in the block of a use that came to nothing; clients pass over what only this server says."""
    told = {"error_message": why} if kind == "editor" else {}
    return {"type": f"{USES[kind]}_tool_result_error", "error_code": code, **told, "insitu": {"message": why}}


def told_of(content: Json) -> str:
    """What the model is told again of the content of a result block."""
    kind = str(content.get("type"))
    if kind.endswith("_error"):
        ours = content.get("insitu")
        why = ours.get("message") if isinstance(ours, dict) else content.get("error_message")
        return why if isinstance(why, str) and why else f"[{content.get('error_code')}]"
    if kind.endswith("_view_result"):
        return _text(content, "content")
    if kind.endswith("_create_result"):
        return "[updated]" if content.get("is_file_update") is True else "[created]"
    if kind.endswith("_str_replace_result"):
        lines = content.get("lines")
        return "\n".join(map(str, lines)) if isinstance(lines, list) and lines else "[nothing has changed]"
    return _streams(content)


def _executed(use: str, execution: Execution, file_ids: list[str]) -> Json:
    stdout, stderr = streams_of(execution)
    files = [{"type": f"{use}_output", "file_id": file_id} for file_id in file_ids]
    code = execution.exit_code
    return {"type": f"{use}_result", "stdout": stdout, "stderr": stderr, "return_code": code, "content": files}


def _edited(use: str, edit: Edit) -> Json:
    if isinstance(edit, Created):
        return {"type": f"{use}_create_result", "is_file_update": edit.is_update}
    if isinstance(edit, Replaced):
        members = ("old_start", "old_lines", "new_start", "new_lines")
        numbers = {name: getattr(edit, name) for name in members}
        return {"type": f"{use}_str_replace_result", "lines": list(edit.lines), **numbers}
    numbers = {name: getattr(edit, name) for name in ("num_lines", "start_line", "total_lines")}
    return {"type": f"{use}_view_result", "file_type": "text", "content": edit.content, **numbers}


def _streams(content: Json) -> str:
    stdout, stderr = _text(content, "stdout"), _text(content, "stderr")
    code = content.get("return_code")
    ending = f"[exit code {code}]" if isinstance(code, int) and code != 0 and not stderr.strip() else ""
    return "\n".join(part.rstrip("\n") for part in (stdout, stderr, ending) if part.strip()) or "[no output]"


def _text(content: Json, name: str) -> str:
    text = content.get(name)
    return text if isinstance(text, str) else ""
