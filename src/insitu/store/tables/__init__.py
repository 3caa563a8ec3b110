"""The tables. An id is unique among its owner's, so that nobody can take or overwrite another's by naming it."""

from __future__ import annotations

from .columns import columns as columns
from .columns import metadata as metadata
from .columns import values as values
from .files import container_files as container_files
from .files import containers as containers
from .files import files as files
from .functions import function_aliases as function_aliases
from .functions import function_revisions as function_revisions
from .functions import functions as functions
from .invocations import invocation_requests as invocation_requests
from .invocations import invocation_results as invocation_results
from .invocations import invocations as invocations
from .responses import conversation_items as conversation_items
from .responses import conversations as conversations
from .responses import items as items
from .responses import response_events as response_events
from .responses import response_items as response_items
from .responses import responses as responses
from .stored import stored as stored
