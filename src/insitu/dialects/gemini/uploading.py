"""Files that come in several requests: each is written to the disk as it comes, whoever sends how much of it when."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable

import anyio

from ...errors import NotFound, QuotaExceeded, ServerFull
from ...store import FileDetails, FileRecord, new_id
from ...store.files import Files
from ...web.parameters import BadParameter
from ...web.service import Service

IDLE_S = 600.0
_MOST, _MOST_OF_ONE = 64, 8
_OFFSET = "X-Goog-Upload-Offset"


class Upload:
    """A file on its way.

    Args:
        size: how many bytes it is to have, if that was said.
    """

    def __init__(self, owner: str, details: FileDetails, size: int | None) -> None:
        self.id = new_id("")
        self.owner = owner
        self.received = 0
        self._details = details
        self._size = size
        self._record: FileRecord | None = None
        self._failure: Exception | None = None
        self._send, self._coming = anyio.create_memory_object_stream[bytes](0)
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._lock = anyio.Lock()

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self._ended.is_set()

    async def work(self, files: Files, max_bytes: int) -> None:
        """Write what comes to the disk, until it is finished or abandoned."""
        self._stay()
        try:
            with self._scope, self._send, self._coming:
                # Google's client takes nothing but letters and digits out of a file's address.
                self._record = await files.receive(
                    new_id("file"), self.owner, self._coming, max_bytes, lambda: self._details
                )
        except Exception as exc:
            self._failure = exc  # for whoever sends: it must not end what else the server does
        finally:
            self._ended.set()

    async def take(self, chunks: AsyncIterable[bytes], offset: int) -> None:
        """Take some more bytes; what has come of them stays, whether or not they come to their end.

        Raises:
            BadParameter: if they do not follow what has come, or are more than was said.
            InsituError: if they cannot be stored.
        """
        async with self._alone():
            if offset != self.received:
                raise BadParameter(_OFFSET, f"{_OFFSET} is {offset}, and {self.received} bytes have come")
            async for chunk in chunks:
                self._stay()
                if self._size is not None and self.received + len(chunk) > self._size:
                    raise BadParameter(_OFFSET, f"more bytes come than the {self._size} that were said")
                await self._pass_on(chunk)

    async def finish(self) -> FileRecord:
        """Have what has come be the whole file.

        Raises:
            BadParameter: if it is less than was said.
            InsituError: if it cannot be stored.
        """
        async with self._alone():
            if self._size not in (None, self.received):
                raise BadParameter(_OFFSET, f"{self.received} bytes have come, and {self._size} were said")
            self._send.close()
            await self._ended.wait()
        if self._record is None:
            raise self._reason()
        return self._record

    def cancel(self) -> None:
        """Forget it."""
        self._scope.cancel()

    async def _pass_on(self, chunk: bytes) -> None:
        try:
            await self._send.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._ended.wait()
            raise self._reason() from None
        self.received += len(chunk)

    def _alone(self) -> anyio.Lock:
        if self._lock.locked():
            raise BadParameter("X-Goog-Upload-Command", "another request is sending this file")
        return self._lock

    def _stay(self) -> None:
        self._scope.deadline = anyio.current_time() + IDLE_S

    def _reason(self) -> Exception:
        return self._failure or NotFound("this upload was cancelled, or nothing came of it for too long")


class Uploading:
    """All files on their way."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._all: dict[str, Upload] = {}

    def start(self, owner: str, details: FileDetails, size: int | None) -> Upload:
        """Begin one.

        Raises:
            QuotaExceeded: if the owner has too many under way.
            ServerFull: if all owners have.
        """
        if Counter(upload.owner for upload in self._all.values())[owner] >= _MOST_OF_ONE:
            raise QuotaExceeded(f"{_MOST_OF_ONE} of your uploads are under way, the most for one key")
        if len(self._all) >= _MOST:
            raise ServerFull(f"{_MOST} uploads are under way, and that is the most", hint="try again in a while")
        upload = Upload(owner, details, size)
        self._all[upload.id] = upload
        self._service.tasks.start_soon(self._work, upload)
        return upload

    def get(self, id: str) -> Upload:
        """One that is under way; raises NotFound if there is none."""
        upload = self._all.get(id)
        if upload is None:
            raise NotFound("there is no such upload: it has ended, or nothing came of it for too long")
        return upload

    async def _work(self, upload: Upload) -> None:
        try:
            await upload.work(self._service.store.files, self._service.settings.upload_bytes)
        finally:
            del self._all[upload.id]
