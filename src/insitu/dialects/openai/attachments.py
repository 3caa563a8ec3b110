"""Files that come with a message in OpenAI's form: they are put where code runs."""

from __future__ import annotations

from typing import Any

from ...turn.container import Container
from ...web.attachments import base_name, read_base64
from ...web.parameters import BadParameter
from ...web.shapes import Json
from ...web.stored_files import StoredFiles


async def attach(container: Container, file: Json, param: str, stored: StoredFiles) -> str:
    """Have a file in the workspace when code next runs.

    Args:
        file: its ``file_id``; or its ``filename`` and, in base64, its ``file_data``.
        param: where it stands in the request.

    Returns:
        What the model is told of it.

    Raises:
        BadParameter: if it is malformed.
        NotFound: if there is no such file.
    """
    if file.get("file_id"):
        return await stored.put(container, str(file["file_id"]))
    name = base_name(str(file.get("filename") or "file"), param)
    return stored.put_content(name, await _content(file.get("file_data"), param), param)


async def _content(data: Any, param: str) -> bytes:
    if not isinstance(data, str):
        raise BadParameter(param, "a file has neither a file_id nor file_data", code="missing_required_parameter")
    return await read_base64(data.rpartition(",")[2], param, "a file_data")
