"""The last answer of each server, which the next question can follow."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


def latest_answer(url: str) -> str | None:
    """The id of the server's last answer."""
    found = _known().get(url.rstrip("/"))
    return found if isinstance(found, str) else None


def remember_answer(url: str, answer_id: str) -> None:
    """Write down the server's last answer; if that cannot be, the next question follows an older one, or none."""
    path = _path()
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({**_known(), url.rstrip("/"): answer_id}, indent=2), "utf-8")
        part.replace(path)


def _known() -> dict[str, object]:
    try:
        known = json.loads(_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _path() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "insitu/answers.json"
