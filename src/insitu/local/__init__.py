"""Sandboxes of this very process, without a server."""

from __future__ import annotations

from .asynchronous import AsyncSandbox as AsyncSandbox
from .blocking import Sandbox as Sandbox
