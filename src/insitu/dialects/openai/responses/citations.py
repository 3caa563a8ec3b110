"""Which files of a container an answer names: the annotations by which clients find them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from urllib.parse import unquote

from ....errors import NotFound
from ....guest.lockdown import WORKSPACE
from ....store import ContainerFile, Page, Store
from ....turn.events import MOST_FILES, MadeFile
from ....web.shapes import Json

# As models link files: [Download](sandbox:/mnt/data/report.csv)
_LINK = re.compile(rf"sandbox:{WORKSPACE}/([^\s)\]\"'`>]+)")
# What may follow a link that stands alone, and be a part of its name as well.
_MARKS = ".,;:!?*_"
# Clients can name any number of containers that never were.
_MOST_CONTAINERS, _MOST_KNOWN = 4, 1000
# Looked at in one text, whether they lead to a file or not.
_MOST_LINKS = 500


async def known_files(store: Store, owner: str, containers: Sequence[str]) -> dict[str, MadeFile]:
    """The files of a conversation by their paths, the latest ones; ``containers`` has the latest first."""
    known: dict[str, MadeFile] = {}
    for container_id in containers[:_MOST_CONTAINERS]:
        try:
            found = await store.containers.files(container_id, owner, Page(_MOST_KNOWN))
        except NotFound:
            continue  # it was never used, or is gone
        known = {file.path: _made(file) for file in found.data} | known
    return known


def cite_links(text: str, known: Mapping[str, MadeFile]) -> list[Json]:
    """The annotations of a text's links to files, a hundred at the most."""
    annotations = []
    for match in _links(text):
        for link, path in _readings(match[1]):
            if path in known:
                annotations.append(_annotation(known[path], match.start(), match.start(1) + len(link)))
                break
        if len(annotations) == MOST_FILES:
            break
    return annotations


async def cite(store: Store, owner: str, text: str, made: Iterable[MadeFile], containers: Sequence[str]) -> list[Json]:
    """The annotations of an answer: of each link, and at its end of files that were made and are not linked.

    Args:
        containers: where links lead to, the latest first.
    """
    by_path = {file.path: file for file in made}
    paths = {path for match in _links(text) for _, path in _readings(match[1])} - by_path.keys()
    cited = cite_links(text, await _linked(store, owner, paths, containers) | by_path)
    linked = {annotation["file_id"] for annotation in cited}
    rest = [file for file in by_path.values() if file.id not in linked]
    return [*cited, *(_annotation(file, len(text), len(text)) for file in rest[: MOST_FILES - len(cited)])]


async def _linked(store: Store, owner: str, paths: set[str], containers: Sequence[str]) -> dict[str, MadeFile]:
    linked: dict[str, MadeFile] = {}
    for container_id in containers[:_MOST_CONTAINERS]:
        if not paths - linked.keys():
            break
        try:
            found = await store.containers.files_at(container_id, owner, paths - linked.keys())
        except NotFound:
            continue  # the container was never used, or is gone
        linked |= {path: _made(file) for path, file in found.items()}
    return linked


def _links(text: str) -> Iterator[re.Match[str]]:
    return islice(_LINK.finditer(text), _MOST_LINKS)


def _readings(link: str) -> Iterator[tuple[str, str]]:
    """How much of a link may be meant, and the path that it may mean."""
    for meant in dict.fromkeys((link, link.rstrip(_MARKS))):
        for path in dict.fromkeys((meant, unquote(meant))):
            yield meant, path


def _made(file: ContainerFile) -> MadeFile:
    return MadeFile(file.id, file.container_id, file.path, file.size)


def _annotation(file: MadeFile, start: int, end: int) -> Json:
    return {
        "type": "container_file_citation",
        "container_id": file.container_id,
        "file_id": file.id,
        "filename": file.name,
        "start_index": start,
        "end_index": end,
    }
