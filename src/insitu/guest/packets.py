"""Requests and answers, with descriptors, over the seqpacket socket to the server: the guest's end."""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any

_LARGEST = 1 << 18
_MOST_DESCRIPTORS = 16


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next packet and its descriptors; once the server is gone, the end of this process."""
    data, descriptors, _, _ = socket.recv_fds(sock, _LARGEST, _MOST_DESCRIPTORS)
    if not data:
        os._exit(0)
    return json.loads(data), descriptors


def send(sock: socket.socket, body: dict[str, Any], *descriptors: int) -> None:
    """Send one packet."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    sock.sendmsg([json.dumps(body).encode()], ancillary if descriptors else [])
