"""Where code is to run, as OpenAI's clients wish it: which container, with how much memory and which files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import OverCeiling
from ...errors.caller import exact
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json

MEMORY = {"1g": 1 << 30, "4g": 4 << 30, "16g": 16 << 30, "64g": 64 << 30}


@dataclass(frozen=True, slots=True)
class ContainerWish:
    """Where code is to run.

    Args:
        id: of a container that is there; None for that of the conversation, or a new one.
        file_ids: stored files that are put into it, unless it is named by its id.
        memory_bytes: of a new one; None for the default.
        where: the place of that in the request.
    """

    id: str | None = None
    file_ids: Sequence[str] = ()
    memory_bytes: int | None = None
    where: str = ""


def container_wish(container: Any, where: str) -> ContainerWish:
    """Where code is to run, by a request's ``container``; None stands for any.

    Raises:
        BadParameter: if it is malformed, or not to be had here.
    """
    container = container or {"type": "auto"}
    if isinstance(container, str):
        return ContainerWish(container)
    if not isinstance(container, dict) or container.get("type") not in (None, "auto"):
        raise BadParameter(where, f"{where} must be a container's id, or {{'type': 'auto'}}")
    return _auto(container, where)


def environment_wish(environment: Any, where: str) -> ContainerWish:
    """As :func:`container_wish`, of the environment that the shell is to have."""
    environment = environment or {"type": "container_auto"}
    kind = environment.get("type") if isinstance(environment, dict) else None
    if kind == "container_reference":
        return ContainerWish(str(environment.get("container_id")))
    if kind != "container_auto":
        raise Unsupported(where, f"{where} must be container_auto or container_reference: commands run on the server")
    return _auto(environment, where)


def _auto(asked: Json, where: str) -> ContainerWish:
    refuse_unsupported(asked.get("network_policy"), asked.get("skills"), f"{where}.")
    file_ids = asked.get("file_ids") or []
    if not isinstance(file_ids, list) or not all(isinstance(each, str) for each in file_ids):
        raise BadParameter(f"{where}.file_ids", f"{where}.file_ids must be a list of file ids")
    where = f"{where}.memory_limit"
    return ContainerWish(None, file_ids, memory_bytes(asked.get("memory_limit"), where), where)


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


@contextmanager
def under_ceiling(where: str) -> Iterator[None]:
    """Tell in OpenAI's words that no container may have so much memory.

    Args:
        where: the place of the memory limit in the request.
    """
    try:
        yield
    except OverCeiling as exc:
        raise BadParameter(
            where,
            f"{where} is {int(exc.asked) >> 30}g, over this server's ceiling of {exact(exc.ceiling)} bytes",
            hint="ask for less, or have the operator raise max_memory_bytes",
            code=exc.code,
        ) from None
