"""The peer that most people know: a Jupyter kernel, driven through jupyter_client."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from .measure import ms_since

_TIMEOUT_S = 60.0
MISSING = "ipykernel: not installed; `pip install 'insitu[bench]'`"


def installed() -> bool:
    """Whether there is a kernel to measure."""
    return find_spec("ipykernel") is not None and find_spec("jupyter_client") is not None


class Kernel:
    """A running kernel.

    Args:
        ready_ms: from the start to its first answer.
    """

    def __init__(self, client: Any, pid: int, ready_ms: float) -> None:
        self._client = client
        self.pid = pid
        self.ready_ms = ready_ms

    def first_output(self, code: str) -> float:
        """Milliseconds from the request to the first thing that the code shows; waits for its end."""
        begun = time.perf_counter()
        request = self._client.execute(code)
        ms = None
        while True:
            message = self._client.get_iopub_msg(timeout=_TIMEOUT_S)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] in ("execute_result", "stream"):
                ms = ms or ms_since(begun)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        self._client.get_shell_msg(timeout=_TIMEOUT_S)
        if ms is None:
            raise RuntimeError("a kernel showed nothing")
        return ms


@contextmanager
def running_kernel() -> Iterator[Kernel]:
    """Start a kernel with nothing imported, in folders of its own; end it in the end."""
    from jupyter_client.manager import KernelManager

    with tempfile.TemporaryDirectory() as folder:
        variables = {"IPYTHONDIR": folder, "JUPYTER_RUNTIME_DIR": folder}
        begun = time.perf_counter()
        manager = KernelManager(connection_file=f"{folder}/kernel.json")
        manager.start_kernel(env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        try:
            # wait_for_ready() would add 0.2 s of silence: asked once, a kernel answers when it can.
            client.kernel_info()
            client.get_shell_msg(timeout=_TIMEOUT_S)
            # What a kernel shows before its client has subscribed is lost.
            while client.get_iopub_msg(timeout=_TIMEOUT_S)["msg_type"] != "iopub_welcome":
                pass
            ready_ms = ms_since(begun)
            yield Kernel(client, _pid(manager), ready_ms)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _pid(manager: Any) -> int:
    pid: int = manager.provisioner.pid
    return pid
