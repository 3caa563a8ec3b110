"""The routes of a session's workspace: raw bytes, streamed both ways."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Query
from starlette.convertors import PathConvertor, register_url_convertor  # codespell:ignore convertors
from starlette.requests import Request
from starlette.responses import Response

from ...engine import Workspace
from ...errors import FileMissing, InvalidRequest, IsFolder, PathRefused
from ...types import FileInfo
from ...web.downloads import download
from ...web.openapi import answers, answers_bytes, takes_bytes
from ...web.service import Service
from ...web.wire import body_chunks, json_answer, refuse_length
from .models import FileList, FilesQuery


class WorkspacePath(PathConvertor):
    """The rest of a URL's path, line breaks and all: file names may have them."""

    regex = r"[\s\S]*"


register_url_convertor("workspace_path", WorkspacePath())


def routes(service: Service) -> APIRouter:
    """The routes of a session's workspace."""
    router = APIRouter(prefix="/v1/sessions/{session_id}/files", tags=["files"])

    @router.get("", **answers(FileList))
    async def list_files(request: Request, session_id: str, query: Annotated[FilesQuery, Query()]) -> Response:
        """The files of the workspace, or of one of its folders."""
        return await _listing(service.session(request, session_id).files, query.path, query.depth)

    @router.get("/{path:workspace_path}", **answers_bytes(or_list=FileList.__name__))
    async def read_file(
        request: Request, session_id: str, path: str, depth: Annotated[int | None, Query(ge=1, le=32)] = None
    ) -> Response:
        """A file's bytes, whole or a range of them; with `depth`, the files of a folder."""
        files = service.session(request, session_id).files
        _check_encoding(request, path)
        if depth is not None or not path:
            return await _listing(files, path, depth or 1)
        return await _download(request, files, path)

    @router.put(
        "/{path:workspace_path}",
        openapi_extra=takes_bytes(),
        **answers(FileInfo, 201, "Written.", replaced="Written; it was there before."),
    )
    async def write_file(request: Request, session_id: str, path: str) -> Response:
        """Write a file: the body is its content, and the folders above it are made."""
        cap = service.settings.upload_bytes
        files = service.session(request, session_id).files
        _check_encoding(request, path)
        if "content-range" in request.headers:
            raise InvalidRequest("Content-Range: a file is written whole", hint="leave the header out")
        refuse_length(request, cap, "send a smaller one, or have the operator raise upload_bytes")
        status = 200 if await _exists(files, path) else 201
        async with aclosing(body_chunks(request)) as chunks:
            info = await files.write(path, chunks, max_bytes=cap)
        return json_answer(_described(info), status)

    @router.delete("/{path:workspace_path}", **answers(None, 204))
    async def delete_file(request: Request, session_id: str, path: str) -> Response:
        """Delete a file."""
        files = service.session(request, session_id).files
        _check_encoding(request, path)
        await files.delete(path)
        return Response(status_code=204)

    router.add_api_route("/{path:workspace_path}", read_file, methods=["HEAD"], include_in_schema=False)
    return router


async def _listing(files: Workspace, path: str, depth: int) -> Response:
    return json_answer({"files": [_described(info) for info in await files.list(path, depth)]})


def _described(info: FileInfo) -> dict[str, Any]:
    return {name: value for name, value in asdict(info).items() if name != "base64"}


async def _exists(files: Workspace, path: str) -> bool:
    try:
        await files.stat(path)
    except FileMissing:
        return False
    return True


async def _download(request: Request, files: Workspace, path: str) -> Response:
    try:
        size = await files.size(path)
    except IsFolder:
        raise IsFolder(path, hint="add ?depth=1 to list a folder") from None
    return await download(request, path, size, partial(files.read, path))


def _check_encoding(request: Request, path: str) -> None:
    # The framework decodes with replacement characters: a name that is not UTF-8 would become another name.
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
    except UnicodeDecodeError:
        raise PathRefused(path, "it is not UTF-8") from None
