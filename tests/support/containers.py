"""Code in containers, run past the model."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

from openai import OpenAI

from tests.support.processes import await_ends, find


def session_of(client: OpenAI, container_id: str) -> str | None:
    """The id of the session that a container has; None before it has one."""
    sessions = cast("dict[str, Any]", client.get("/sessions", cast_to=object))["sessions"]
    return next((each["id"] for each in sessions if each["metadata"].get("container") == container_id), None)


def execute(client: OpenAI, container_id: str, code: str) -> str:
    """Run code in a container; what it prints."""
    path = f"/sessions/{session_of(client, container_id)}/execute"
    execution = cast("dict[str, Any]", client.post(path, body={"code": code}, cast_to=object))
    assert execution["outcome"] == "ok", execution
    return str(execution["stdout"])


def kill_sandbox(client: OpenAI, container_id: str) -> None:
    """Kill a container's sandbox from outside."""
    namespace = execute(client, container_id, "import os; print(os.readlink('/proc/self/ns/pid'))").strip()
    agent = find(1, namespace)
    os.kill(agent, signal.SIGKILL)
    await_ends([agent])


def listed(client: OpenAI, container_id: str) -> dict[str, Any]:
    """A container's files by their paths."""
    return {file.path: file for file in client.containers.files.list(container_id)}


def content(client: OpenAI, container_id: str, file_id: str) -> bytes:
    """The bytes of a container's file."""
    return client.containers.files.content.retrieve(file_id, container_id=container_id).read()
