"""Functions: stored code with a name, deployed once and called often."""

from __future__ import annotations

from ..types import LATEST as LATEST
from ..types import FunctionInfo as FunctionInfo
from ..types import FunctionRevision as FunctionRevision
from ..types import FunctionSpec as FunctionSpec
from ..types import Invocation as Invocation
from .service import Functions as Functions
