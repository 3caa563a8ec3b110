"""The application: what is mounted where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import anyio
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from ..dialects.anthropic import ANTHROPIC
from ..dialects.aws_lambda import AWS_LAMBDA
from ..dialects.gemini import GEMINI, INTERACTIONS
from ..dialects.mcp import MCP
from ..dialects.native import NATIVE
from ..dialects.openai import OPENAI, Elsewhere
from ..engine import Engine
from ..functions import Functions
from ..settings import Settings
from ..store import Store
from ..tools import Registry, make_registry
from ..turn.turns import open_turns
from ..web.dialect import Dialect
from ..web.errors import answer_framework_error
from ..web.openapi import describe
from ..web.service import Service
from . import health
from .auth import Gate, Keys

# The order is that of the look-up: the busiest routes come first, and of a shared path the dialect that tells its own.
DIALECTS: tuple[Dialect, ...] = (NATIVE, ANTHROPIC, OPENAI, INTERACTIONS, GEMINI, MCP, AWS_LAMBDA)
# Spans and metrics of the framework would cost more than the rest of a request's way to the engine.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def open_store(settings: Settings) -> AbstractAsyncContextManager[Store]:
    """The store in the data folder of the settings.

    Raises:
        StoreFailed: if the folder cannot be used.
    """
    return Store.open(
        settings.data_dir,
        bytes_per_owner=settings.data_bytes_per_owner,
        read_bytes=settings.max_transcript_bytes,
        retention_s=settings.retention_s,
    )


def create_app(
    settings: Settings, engine: Engine | None = None, store: Store | None = None, tools: Registry | None = None
) -> FastAPI:
    """The ASGI application.

    Args:
        engine: a running engine; without one, the application starts its own and ends it.
        store: an open store; likewise.
        tools: an open registry of tools; likewise.
    """
    service = Service(settings, opened=engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opened = engine if engine is not None else await stack.enter_async_context(Engine(settings))
            lasting = store if store is not None else await stack.enter_async_context(open_store(settings))
            registry = tools if tools is not None else await stack.enter_async_context(make_registry(settings))
            service.opened, service.opened_tools = opened, registry
            service.opened_functions = await stack.enter_async_context(Functions.open(settings, opened, lasting))
            service.opened_turns = await stack.enter_async_context(open_turns(settings, opened, lasting, registry))
            service.opened_tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(service.opened_tasks.cancel_scope.cancel)
            yield
        service.opened_tasks = service.opened_turns = service.opened_functions = service.opened_tools = None
        if engine is None:
            service.opened = None

    app = FastAPI(
        title="insitu",
        version=version("insitu"),
        summary="Runs the Python that an AI model writes right where the model is served.",
        lifespan=lifespan,
        redirect_slashes=False,
        # Those of the framework load scripts from elsewhere, which would run as this origin.
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    app.add_middleware(Gate, keys=Keys(settings), metrics=service.metrics, bodies=service.bodies, dialects=DIALECTS)
    app.add_exception_handler(HTTPException, answer_framework_error)
    app.add_exception_handler(RequestValidationError, answer_framework_error)
    for dialect in DIALECTS:
        app.include_router(dialect.routes(service))
    app.include_router(health.routes(service))
    app.router.default = Elsewhere(service, app.router.not_found, OPENAI, DIALECTS)
    describe(app, [body for dialect in DIALECTS for body in dialect.bodies])
    return app
