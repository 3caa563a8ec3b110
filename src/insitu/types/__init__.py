"""The words of insitu as typed values.

They are plain frozen dataclasses, so that the client parts work everywhere with nothing but the standard library.
"""

from __future__ import annotations

from .answer import Answer as Answer
from .answer import AnswerEvent as AnswerEvent
from .answer import AnswerEventKind as AnswerEventKind
from .answer import AnswerFile as AnswerFile
from .answer import AnyAnswer as AnyAnswer
from .answer import Step as Step
from .answer import TokenUsage as TokenUsage
from .batch import BatchItem as BatchItem
from .batch import BatchKind as BatchKind
from .batch import BatchStatus as BatchStatus
from .call_result import CallResult as CallResult
from .execution import CodeError as CodeError
from .execution import Event as Event
from .execution import EventKind as EventKind
from .execution import Execution as Execution
from .execution import FileInfo as FileInfo
from .execution import Outcome as Outcome
from .execution import Result as Result
from .execution import Timings as Timings
from .execution import Truncated as Truncated
from .execution import Usage as Usage
from .function import LATEST as LATEST
from .function import DeployedFunction as DeployedFunction
from .function import FunctionInfo as FunctionInfo
from .function import FunctionRevision as FunctionRevision
from .function import FunctionSpec as FunctionSpec
from .function import Invocation as Invocation
from .function import InvocationEvent as InvocationEvent
from .function import InvocationState as InvocationState
from .session import EnvironmentInfo as EnvironmentInfo
from .session import Limits as Limits
from .session import SessionInfo as SessionInfo
from .sizes import GIB as GIB
from .sizes import MIB as MIB
from .sizes import parse_size as parse_size
