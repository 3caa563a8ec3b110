"""Sessions, executions, pool and limits: no HTTP, no model, no store."""

from __future__ import annotations

from ..types import EnvironmentInfo as EnvironmentInfo
from .answers import ToolFailure as ToolFailure
from .engine import Engine as Engine
from .execution import RunningExecution as RunningExecution
from .session import Session as Session
from .task import Call as Call
from .task import FileUpload as FileUpload
from .task import ToolSpec as ToolSpec
from .workspace import NewFile as NewFile
from .workspace import Workspace as Workspace
