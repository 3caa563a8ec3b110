"""From a request for a response to a turn: history, containers, files, and what the model is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ....errors import NotFound
from ....guest.lockdown import WORKSPACE
from ....store import Item
from ....tools import Grant
from ....turn.container import Container
from ....turn.events import MadeFile
from ....turn.messages import with_system
from ....turn.request import Attached, TurnRequest
from ....turn.tools import ServerTool
from ....web.bodies import Body
from ....web.holding import Holding, weight
from ....web.parameters import BadParameter
from ....web.places import EXPIRED, FILES_NOTE, automatic_container, check_files, files_of_user
from ....web.service import Service
from ....web.shapes import Json
from ....web.stored_files import StoredFiles
from ..items import normalize_input
from .asked import CreateResponse
from .citations import known_files
from .content import with_files
from .tools import Tools
from .transcript import Transcript


@dataclass(frozen=True, slots=True)
class PreparedResponse:
    """Everything that a response needs to be made.

    Args:
        inputs: the items that are new.
        files: what earlier code has made and no answer has named yet.
        containers: where earlier code ran, the latest first.
        known: their files, by their paths.
    """

    turn: TurnRequest
    inputs: list[Item]
    files: list[MadeFile]
    containers: list[str]
    known: dict[str, MadeFile]


async def prepare(service: Service, owner: str, caller_key: str, asked: CreateResponse, body: Body) -> PreparedResponse:
    """Find and check everything that a request names.

    Args:
        body: what the request holds in memory, to which this adds.

    Raises:
        TooLarge: if the transcript is longer than one may be.
        QuotaExceeded: if the owner may not store more.
        BadParameter: if something is malformed, or does not go together.
        NotFound: if something that it names is not there.
    """
    asked.check()
    holding = Holding(body, service.settings.max_transcript_bytes)
    tools = Tools(asked.tools)
    inputs = await normalize_input(service.store, owner, asked.input)
    items = [*await _history(service, owner, asked), *inputs]
    holding.take_all([value for item in items for value in (item.body, item.private)])
    if asked.store is not False:
        # At its end it is stored in any case: its tokens are paid by then.
        await service.store.quota.admit(owner, sum(weight(item.body, holding.most) for item in inputs))
    if not items and asked.instructions is None:
        raise BadParameter("input", "there is nothing to answer: input is missing", code="missing_required_parameter")
    containers = _containers_of(items)
    granted = service.turns.grant(asked.insitu.tools if asked.insitu else None, tools.for_code)
    stored = StoredFiles(service, owner, holding)
    own, notes = await _own_tools(service, owner, tools, containers, granted, stored.attached)
    names = {kind: own[kind].name if kind in own else kind for kind in ("python", "shell")}
    choice = tools.choice(asked.tool_choice, names)
    allowed = {"python": tools.python, "shell": tools.shell}  # the choice may have narrowed them
    server_tools = [tool for kind, tool in own.items() if allowed[kind] is not None]
    readable = await with_files(stored, items, server_tools[0].container if server_tools else None)
    transcript = Transcript(names, partial(service.turns.runs.caller, owner))
    for item in readable:
        transcript.add(item)
    messages = transcript.messages()
    resumption = service.turns.runs.resume(owner, messages, transcript.open_calls, transcript.answers)
    if (call_id := resumption.unanswered) is not None:
        raise BadParameter("input", f"No tool output found for function call {call_id}.")
    turn = TurnRequest(
        owner=owner,
        model=asked.model,
        messages=with_system([asked.instructions, *dict.fromkeys(notes)], resumption.fill(messages)),
        tools=server_tools,
        attached=stored.attached,
        client_tools=tools.functions,
        tool_choice=choice,
        options=asked.upstream_options(),
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=asked.max_tool_calls,
        max_steps=asked.insitu.max_steps if asked.insitu else None,
        caller_key=caller_key,
        keep_files=asked.store is not False,
        resumption=resumption,
    )
    known = await known_files(service.store, owner, containers)
    return PreparedResponse(turn, inputs, _unnamed_files(items), containers, known)


async def _history(service: Service, owner: str, asked: CreateResponse) -> list[Item]:
    if asked.conversation_id is not None:
        return await service.store.conversations.all_items(asked.conversation_id, owner)
    if (previous := asked.previous_response_id) is None:
        return []
    if "/" in previous:
        raise _not_found(previous)  # no response of this dialect
    if service.turns.jobs.get(previous, owner) is not None:
        raise BadParameter("previous_response_id", f"the response {previous!r} has not ended yet; wait for it")
    try:
        return await service.store.responses.history(previous, owner)
    except NotFound:
        raise _not_found(previous) from None


def _not_found(previous: str) -> BadParameter:
    return BadParameter(
        "previous_response_id",
        f"Previous response with id {previous[:200]!r} not found.",
        hint="responses that are not stored, or whose time is over, are gone",
        code="previous_response_not_found",
    )


def _containers_of(items: Sequence[Item]) -> list[str]:
    """Where code ran, the latest first; whether it was the caller's is seen when it is looked for."""
    found = []
    for item in reversed(items):
        body = item.body
        place = body.get("environment") if body["type"] == "shell_call" else body
        container_id = place.get("container_id") if isinstance(place, dict) else None
        if body["type"] in ("code_interpreter_call", "shell_call") and isinstance(container_id, str):
            found.append(container_id)
    return list(dict.fromkeys(found))


async def _own_tools(
    service: Service, owner: str, tools: Tools, earlier: Sequence[str], granted: Grant, attached: Attached
) -> tuple[dict[str, ServerTool], list[str]]:
    turns, own, notes = service.turns, {}, []
    shared: Container | None = None
    for kind, asked in (("python", tools.python), ("shell", tools.shell)):
        if asked is None:
            continue
        if "id" in asked:
            container = await turns.containers.usable(asked["id"], owner)
            files = await files_of_user(service, container)
        else:
            if shared is None:
                shared, expired = await automatic_container(service, owner, asked["memory_bytes"], earlier)
                notes += [EXPIRED] if expired else []
            container = shared
            files = [record.filename for record in await check_files(service, owner, asked["file_ids"])]
            attached.add_stored(container, asked["file_ids"])
        notes += [FILES_NOTE.format(", ".join(f"{WORKSPACE}/{name}" for name in files))] if files else []
        if kind == "python":
            own[kind] = turns.python(container, tools.names, granted)
        else:
            own[kind] = turns.shell(container, tools.names)
    return own, notes


def _unnamed_files(items: Sequence[Item]) -> list[MadeFile]:
    """What code has made since the last answer: an answer names it even if a client's tool came between."""
    made: dict[str, MadeFile] = {}
    for item in items:
        if item.body["type"] == "message":
            made = {} if item.body["role"] == "user" else _without_cited(made, item.body["content"])
        for file_id, container_id, path, size in item.private.get("files", ()):
            made[path] = MadeFile(file_id, container_id, path, size)
    return list(made.values())


def _without_cited(made: dict[str, MadeFile], parts: Sequence[Json]) -> dict[str, MadeFile]:
    annotations = [each for part in parts for each in part.get("annotations") or () if isinstance(each, dict)]
    cited = {str(annotation.get("file_id")) for annotation in annotations}
    return {path: file for path, file in made.items() if file.id not in cited}
