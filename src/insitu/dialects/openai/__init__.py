"""OpenAI's API: responses, containers, files, chat completions, models, and whatever else its upstream has."""

from __future__ import annotations

from ...web.dialect import Dialect, joined
from . import container_files, containers, conversations, files, models
from .chat import routes as chat
from .container_files import AddFile
from .containers import CreateContainer
from .conversations import AddItems, CreateConversation, UpdateConversation
from .elsewhere import AT_THE_MODEL_SERVER
from .elsewhere import Elsewhere as Elsewhere
from .errors import openai_error
from .responses import routes as responses
from .responses.asked import CreateResponse

OPENAI = Dialect(
    "openai",
    joined(responses, chat, models, containers, container_files, files, conversations),
    bodies=(AddFile, AddItems, CreateContainer, CreateConversation, CreateResponse, UpdateConversation),
    paths=(
        "/v1/responses",
        "/v1/conversations",
        "/v1/containers",
        "/v1/files",
        "/v1/chat",
        "/v1/models",
        *AT_THE_MODEL_SERVER,
    ),
    error_answer=openai_error,
    clients="OpenAI's clients",
    base="/v1",
    key_hint="send `Authorization: Bearer KEY`",
)
