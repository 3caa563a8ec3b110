"""insitu's own API."""

from __future__ import annotations

from ...web.dialect import Dialect, joined
from . import batch, execute, executions, files, functions, lambdas, sessions
from .batch_models import BatchRequest
from .function_models import AliasRequest, DeployRequest, InvokeRequest
from .lambda_models import LambdaRequest
from .models import CreateSessionRequest, ExecuteRequest, SessionExecuteRequest, UpdateSessionRequest
from .tool_models import AnswerRequest

NATIVE = Dialect(
    "insitu",
    # The busiest come first in the look-up.
    joined(execute, executions, sessions, files, lambdas, functions, batch),
    paths=(
        "/v1/execute",
        "/v1/sessions",
        "/v1/environments",
        "/v1/executions",
        "/v1/tools",
        "/v1/lambda",
        "/v1/functions",
        "/v1/batch",
    ),
    bodies=(
        AliasRequest,
        AnswerRequest,
        BatchRequest,
        CreateSessionRequest,
        DeployRequest,
        ExecuteRequest,
        InvokeRequest,
        LambdaRequest,
        SessionExecuteRequest,
        UpdateSessionRequest,
    ),
)
