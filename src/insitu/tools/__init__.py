"""Functions of the host that sandboxed code may call: one registry, whatever their source."""

from __future__ import annotations

from .base import Bounds as Bounds
from .base import Tool as Tool
from .client import ClientTools as ClientTools
from .grant import NOTHING as NOTHING
from .grant import Grant as Grant
from .python import tool as tool
from .python import tool_of as tool_of
from .registry import Registry as Registry
from .registry import make_registry as make_registry
