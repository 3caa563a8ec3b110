"""What came of a tool, as MCP's clients and their models read it."""

from __future__ import annotations

from collections.abc import Sequence

import mcp_types as types
from pydantic import BaseModel

from ...engine import Session
from ...errors import InsituError
from ...output import clipped, output_of
from ...types import Execution, Result
from ...web.errors import described
from ...web.media_types import mime_of_name
from .models import ErrorEntry, ExecutionAnswer, ValueEntry
from .resources import entry, readable, uri_of

_MOST_IMAGES, _MOST_LINKS = 20, 100
_IMAGES = ("image/png", "image/jpeg")

Block = types.ContentBlock


def of(answer: BaseModel) -> types.CallToolResult:
    """An answer that is nothing but its structure."""
    return _result([types.TextContent(text=answer.model_dump_json(exclude_none=True))], answer)


def of_execution(execution: Execution, session: Session | None, shown_chars: int) -> types.CallToolResult:
    """What code did: its output as text, its figures as images, and its files as links where they can be fetched.

    Args:
        shown_chars: of its output that the model is shown; all of it is in the structured content.
    """
    error = execution.error
    answer = ExecutionAnswer(
        outcome=execution.outcome,
        exit_code=execution.exit_code,
        stdout=execution.stdout,
        stderr=execution.stderr,
        value=execution.result.text if execution.result else None,
        results=[ValueEntry(text=r.text, main=r.main) for r in execution.results if r.text and not _image_of(r)],
        error=ErrorEntry(name=error.name, value=error.value, traceback=error.traceback) if error else None,
        files=[entry(session, info) for info in execution.files] if session else [],
        session_id=execution.session_id,
        state_kept=execution.state_kept and session is not None,
    )
    said = clipped(output_of(execution), shown_chars) or "[no output]"
    lost = "\n[variables are gone; files are still there]" if session and not execution.state_kept else ""
    blocks = [
        types.TextContent(text=said + lost),
        *_images(execution),
        *(_links(execution, session) if session else ()),
    ]
    return _result(blocks, answer)


def of_file(
    content: types.TextResourceContents | types.BlobResourceContents, answer: BaseModel
) -> types.CallToolResult:
    """A file that was read: text as text, an image as an image, anything else as a resource."""
    block: Block
    if isinstance(content, types.TextResourceContents):
        block = types.TextContent(text=content.text)
    elif (content.mime_type or "").startswith("image/"):
        block = types.ImageContent(data=content.blob, mime_type=str(content.mime_type))
    else:
        block = types.EmbeddedResource(resource=content)
    return _result([block], answer)


def of_error(exc: InsituError, request_id: str) -> types.CallToolResult:
    """What could not be done, and what to do about it: for the model to read."""
    return types.CallToolResult(content=[types.TextContent(text=described(exc, request_id).text)], is_error=True)


def _result(blocks: Sequence[Block], answer: BaseModel) -> types.CallToolResult:
    return types.CallToolResult(content=list(blocks), structured_content=answer.model_dump(mode="json"))


def _images(execution: Execution) -> list[Block]:
    found = [image for result in execution.results if (image := _image_of(result))]
    return list(found[:_MOST_IMAGES])


def _image_of(result: Result) -> types.ImageContent | None:
    mime = next((mime for mime in _IMAGES if isinstance(result.data.get(mime), str)), None)
    return types.ImageContent(data=result.data[mime], mime_type=mime) if mime else None


def _links(execution: Execution, session: Session) -> list[Block]:
    files = [info for info in execution.files if readable(info)]
    return [
        types.ResourceLink(
            name=info.path, uri=uri_of(session.id, info.path), mime_type=mime_of_name(info.path), size=info.size
        )
        for info in files[:_MOST_LINKS]
    ]
