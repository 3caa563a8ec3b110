"""The stored files that a conversation names."""

from __future__ import annotations

from ..heavy import encoded, heavy
from ..settings import Settings
from ..store import FileRecord
from ..turn.container import Container
from ..turn.request import Attached
from .attachments import placed
from .holding import Holding
from .parameters import BadParameter
from .service import Service

_INLINE_BYTES = 20 << 20
# Files that come with a request; an execution may bring as many.
_MOST_CONTENTS = 1000


def gone_at(file: FileRecord, settings: Settings) -> float:
    """When a file will be gone, in seconds since the epoch."""
    kept_until = file.created + settings.retention_s
    return min(file.expires or kept_until, kept_until)


class StoredFiles:
    """The stored files that a transcript names, each read once however often it is named."""

    def __init__(self, service: Service, owner: str, holding: Holding) -> None:
        self._files = service.store.files
        self._owner = owner
        self._holding = holding
        self._records: dict[str, FileRecord] = {}
        self._urls: dict[str, str] = {}
        self.attached = Attached()

    async def get(self, file_id: str) -> FileRecord:
        """The record of a file."""
        if file_id not in self._records:
            self._records[file_id] = await self._files.get(file_id, self._owner)
        return self._records[file_id]

    async def put(self, container: Container, file_id: str) -> str:
        """Have a file in the workspace when code next runs; what the model is told of it."""
        record = await self.get(file_id)
        self.attached.add_stored(container, [record.id])
        return placed(record.filename)

    def put_content(self, name: str, content: bytes, param: str) -> str:
        """The same of a file that is stored nowhere.

        Args:
            param: where it stands in the request.

        Raises:
            BadParameter: if there are too many.
        """
        if len(self.attached.contents) >= _MOST_CONTENTS:
            raise BadParameter(
                param,
                f"{param}: more than {_MOST_CONTENTS} files come with the conversation itself",
                hint="upload them, and name them by their ids; or put them into one archive",
            )
        self.attached.contents.append((name, content))
        return placed(name)

    async def inline(self, file_id: str, param: str) -> tuple[FileRecord, str]:
        """A file with all of its content as a URL, which counts each time that it is named.

        Args:
            param: where it is named.

        Raises:
            BadParameter: if it is too large for that.
            NotFound: if there is no such file.
        """
        record = await self.get(file_id)
        if record.size > _INLINE_BYTES:
            why = f"{param}: the file {record.id} has {record.size} bytes; {_INLINE_BYTES} is the most"
            raise BadParameter(param, why)
        self._holding.take(record.size * 4 // 3)
        if file_id not in self._urls:
            stored = await self._files.open(record)
            content = b"".join([chunk async for chunk in stored.read()])
            self._urls[file_id] = f"data:{record.mime};base64,{await heavy(len(content), encoded, content)}"
        return record, self._urls[file_id]
