"""Which files of a container an answer names: the annotations by which clients find them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from ...errors import NotFound
from ...guest.lockdown import WORKSPACE
from ...store import Store
from ...turn.events import MOST_FILES, MadeFile

# As models link files: [Download](sandbox:/mnt/data/report.csv)
_LINK = re.compile(rf"sandbox:{WORKSPACE}/([^\s)\]\"'`>]+)")
# What may follow a link that stands alone, and be a part of its name as well.
_MARKS = ".,;:!?*_"


async def cite(
    store: Store, owner: str, text: str, made: Iterable[MadeFile], containers: Sequence[str]
) -> list[dict[str, Any]]:
    """The annotations of an answer: of each link, and at its end of files that were made and are not linked.

    Args:
        containers: where links lead to, the latest first.
    """
    by_path = {file.path: file for file in made}
    annotations = []
    linked = set()
    for match in _LINK.finditer(text):
        for path in dict.fromkeys((match[1], match[1].rstrip(_MARKS))):
            file = await _linked(store, owner, path, by_path, containers)
            if file is not None:
                linked.add(file.path)
                annotations.append(_annotation(file, match.start(), match.start(1) + len(path)))
                break
    rest = [file for path, file in by_path.items() if path not in linked]
    rest = rest[: max(0, MOST_FILES - len(annotations))]
    return [*annotations, *(_annotation(file, len(text), len(text)) for file in rest)]


async def _linked(
    store: Store, owner: str, link: str, by_path: dict[str, MadeFile], containers: Sequence[str]
) -> MadeFile | None:
    for path in dict.fromkeys((link, unquote(link))):
        if path in by_path:
            return by_path[path]
        for container_id in containers:
            try:
                found = await store.containers.file_at(container_id, path, owner)
            except NotFound:
                continue  # the container was never used, or is gone
            if found is not None:
                return MadeFile(found.id, container_id, found.path, found.size)
    return None


def _annotation(file: MadeFile, start: int, end: int) -> dict[str, Any]:
    return {
        "type": "container_file_citation",
        "container_id": file.container_id,
        "file_id": file.id,
        "filename": file.name,
        "start_index": start,
        "end_index": end,
    }
