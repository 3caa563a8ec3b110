"""Where code runs: which container a request wishes for, with how much memory and which files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import NotFound, OverCeiling
from ...store import FileRecord
from ...turn.container import Container
from ...turn.expiry import ContainerExpired
from ...web.service import Service
from .errors import BadParameter, Unsupported
from .shapes import Json

MEMORY = {"1g": 1 << 30, "4g": 4 << 30, "16g": 16 << 30, "64g": 64 << 30}
EXPIRED = "[The sandbox of the earlier code has expired: its variables and files are gone.]"


def container_wish(container: Any, where: str) -> Json:
    """Where code is to run: the ``id`` of a container; or the ``file_ids`` and ``memory_bytes`` of any.

    Raises:
        BadParameter: if it is malformed, or not to be had here.
    """
    if isinstance(container, str):
        return {"id": container}
    if not isinstance(container, dict) or container.get("type") not in (None, "auto"):
        raise BadParameter(where, f"{where} must be a container's id, or {{'type': 'auto'}}")
    return _auto(container, where)


def environment_wish(environment: Any, where: str) -> Json:
    """As :func:`container_wish`, of the environment that the shell is to have."""
    kind = environment.get("type") if isinstance(environment, dict) else None
    if kind == "container_reference":
        return {"id": str(environment.get("container_id"))}
    if kind != "container_auto":
        raise Unsupported(where, f"{where} must be container_auto or container_reference: commands run on the server")
    return _auto(environment, where)


def _auto(asked: Json, where: str) -> Json:
    refuse_unsupported(asked.get("network_policy"), asked.get("skills"), f"{where}.")
    file_ids = asked.get("file_ids") or []
    if not isinstance(file_ids, list) or not all(isinstance(each, str) for each in file_ids):
        raise BadParameter(f"{where}.file_ids", f"{where}.file_ids must be a list of file ids")
    return {"file_ids": file_ids, "memory_bytes": memory_bytes(asked.get("memory_limit"), f"{where}.memory_limit")}


def refuse_unsupported(network_policy: Any, skills: Any, within: str = "") -> None:
    """Refuse what no container here has.

    Raises:
        Unsupported: if it is asked for.
    """
    if network_policy is not None and network_policy != {"type": "disabled"}:
        raise Unsupported(f"{within}network_policy", "sandboxes here have no network; leave network_policy out")
    if skills:
        raise Unsupported(f"{within}skills", "skills are not supported; put files into the container instead")


def memory_bytes(limit: Any, where: str) -> int | None:
    """A memory limit such as ``4g`` in bytes; None for the default."""
    if limit is None:
        return None
    if not isinstance(limit, str) or limit not in MEMORY:
        raise BadParameter(where, f"{where} must be one of: {', '.join(MEMORY)}")
    return MEMORY[limit]


async def automatic_container(
    service: Service, owner: str, asked: Json, earlier: Sequence[str]
) -> tuple[Container, bool]:
    """The container of the conversation, or a new one; and whether that is because the earlier one has expired."""
    containers = service.turns.containers
    expired = False
    for container_id in earlier[:1]:
        try:
            return await containers.usable(container_id, owner), False
        except ContainerExpired:
            expired = True
        except NotFound:
            pass  # never used, or not the caller's: as if it had not been named
    try:
        return containers.new(owner, memory_bytes=asked["memory_bytes"]), expired
    except OverCeiling as exc:
        raise BadParameter(
            "tools",
            f"memory_limit is {asked['memory_bytes']} bytes, over this server's ceiling of {exc.ceiling}",
            hint="ask for less, or have the operator raise max_memory_bytes",
            code=exc.code,
        ) from None


async def check_files(service: Service, owner: str, file_ids: Sequence[str]) -> list[FileRecord]:
    """The files of these ids; raises NotFound if one of them is not there."""
    return [await service.store.files.get(file_id, owner) for file_id in file_ids]
