"""Files as answers: whole or a range of them, and never as a page of this server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..errors import PathRefused
from .ranges import requested_range

Read = Callable[[int, int], AsyncIterator[bytes]]

# What no browser runs as code; everything else is sent as mere bytes.
TYPES = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".zip": "application/zip",
}


async def download(request: Request, path: str, size: int, read: Read) -> Response:
    """The answer that gives a file.

    Args:
        path: what it is called; its last part is the name that the client is told.
        size: of the whole file, in bytes.
        read: yields its bytes from the first position up to the second.

    Raises:
        RangeRefused: if the range that is asked for begins after its end.
    """
    wanted = requested_range(request.headers, size)
    start, end = wanted or (0, size)
    headers = _headers(path, end - start)
    if wanted:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if wanted else 200
    if request.method == "HEAD" or start == end:
        return Response(b"", status, headers)
    chunks = read(start, end)
    # Read here, where an error can still be an HTTP status.
    first = await anext(chunks, b"")
    return StreamingResponse(_whole(path, end - start, first, chunks), status, headers)


async def _whole(path: str, length: int, first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    length -= len(first)
    async for chunk in rest:
        yield chunk
        length -= len(chunk)
    if length:
        raise PathRefused(path, "it was cut short while it was sent")


def _headers(path: str, length: int) -> dict[str, str]:
    name = path.rpartition("/")[2]
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    return {
        "content-type": TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream"),
        "content-length": str(length),
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        # Whatever code wrote into the file: no browser is to run it as this server's page.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }
