"""Forms that carry one file, read part by part as they come: a large file waits nowhere on its way."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Self

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MAX_BOUNDARY_LENGTH, parse_options_header
from starlette.requests import Request

from ..errors import TooLarge
from .errors import Malformed
from .wire import DESCRIPTION_BYTES, body_chunks

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE = "file"
_MOST_PARTS = 32
_MOST_FIELD_BYTES = 64 * 1024


class FileForm:
    """A form of the type ``multipart/form-data``; its one file may stand before its fields or behind them.

    Args:
        fields: the names that it may have beside ``file``.
        max_bytes: of the file; a body that says of itself that it is larger is not read at all.

    Raises:
        Malformed: if the request carries no such form.
        TooLarge: if it is too large by its own word.
    """

    def __init__(self, request: Request, fields: Collection[str], max_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.mime = ""
        self._known = fields
        self._parser = MultipartParser(_boundary(request), self._callbacks())
        self._body = body_chunks(request)
        self._pieces: deque[bytes] = deque()
        self._header_name, self._header_value, self._headers = bytearray(), bytearray(), dict[bytes, bytes]()
        self._parts = 0
        self._name, self._value = "", bytearray()
        self._in_file = self._ended = False
        _refuse_length(request, max_bytes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._body.aclose()

    async def find_file(self) -> str | None:
        """Read on until the file begins; its name, or None if there is no file."""
        while self.filename is None and await self._read_on():
            pass
        return self.filename

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The file's bytes; at their end, all fields are there."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if not await self._read_on():
                return

    async def _read_on(self) -> bool:
        chunk = await anext(self._body, None)
        try:
            if chunk is not None:
                self._parser.write(chunk)
        except FormParserError as exc:
            raise Malformed(f"the form cannot be read: {exc}") from None
        if chunk is None and not self._ended:
            raise Malformed("the form breaks off before its last boundary")
        return chunk is not None

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Malformed(f"the form has more than {_MOST_PARTS} parts")
        self._headers, self._value, self._in_file = {}, bytearray(), False

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = _decoded(options.get(b"name", b""), "a part's name")
        if self._name != FILE and self._name not in self._known:
            raise Malformed(f"{self._name[:200]}: there is no such field", param=self._name[:200])
        if self._name in self.fields or (self._name == FILE and self.filename is not None):
            raise Malformed(f"{self._name} is given twice", param=self._name)
        if self._name == FILE:
            self._begin_file(options)

    def _begin_file(self, options: dict[bytes, bytes]) -> None:
        if not (filename := options.get(b"filename")):
            raise Malformed("file must be a file with a name, not a plain field", param=FILE)
        self.filename = _decoded(filename, "the file's name")
        self.mime = self._headers.get(b"content-type", b"").decode("latin-1")
        self._in_file = True

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _MOST_FIELD_BYTES:
            raise Malformed(f"{self._name} has more than {_MOST_FIELD_BYTES} bytes", param=self._name)

    def _end_part(self) -> None:
        if not self._in_file:
            self.fields[self._name] = _decoded(bytes(self._value), self._name)

    def _end(self) -> None:
        self._ended = True


def is_form(request: Request) -> bool:
    """Whether a request carries a form that can hold a file."""
    return parse_options_header(request.headers.get("content-type"))[0] == b"multipart/form-data"


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= MAX_BOUNDARY_LENGTH:
        raise Malformed("the body must be a form of the type multipart/form-data, with a boundary")
    return boundary


def _refuse_length(request: Request, max_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + DESCRIPTION_BYTES:
        raise TooLarge(
            f"the body has {length} bytes; a file may have {max_bytes}",
            hint="send a smaller one, or have the operator raise upload_bytes",
        )


def _decoded(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not UTF-8") from None
