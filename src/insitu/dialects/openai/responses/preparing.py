"""From a request for a response to a turn: history, containers, files, and what the model is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ....errors import NotFound
from ....store import Item
from ....turn.container import Container
from ....turn.events import MadeFile, Message
from ....turn.messages import with_system
from ....turn.request import TurnRequest
from ....turn.resuming import Resumption
from ....turn.tools import ServerTool
from ....web.bodies import Body
from ....web.holding import weight
from ....web.parameters import BadParameter
from ....web.places import automatic_container, check_files, files_note, files_of_user
from ....web.preparing import Preparing
from ....web.service import Service
from ....web.shapes import Json
from ..items import normalize_input
from ..places import under_ceiling
from .asked import CreateResponse
from .citations import known_files
from .content import with_files
from .tools import TYPES, Tools
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
    return await _Preparing(service, owner, caller_key, asked, body).response()


class _Preparing(Preparing[CreateResponse]):
    def __init__(self, service: Service, owner: str, caller_key: str, asked: CreateResponse, body: Body) -> None:
        super().__init__(service, owner, caller_key, asked, body)
        self._tools = Tools(asked.tools)

    async def response(self) -> PreparedResponse:
        """The request as it can be answered."""
        service, owner, asked = self._service, self._owner, self._asked
        inputs = await normalize_input(service.store, owner, asked.input, partial(self._holding.bring, "input"))
        items = [*await self._history(len(inputs)), *inputs]
        await self._admit(items, inputs)
        containers = _containers_of(items)
        own, notes = await self._own_tools(containers)
        names = {kind: own[kind].name if kind in own else kind for kind in TYPES}
        choice = self._tools.choice(asked.tool_choice, names)
        allowed = [own[kind] for kind in self._tools.kinds]  # the choice may have narrowed them
        transcript = await self._transcript(items, names, allowed[0].container if allowed else None)
        turn = self._turn(notes, allowed, choice, transcript)
        known = await known_files(service.store, owner, containers)
        return PreparedResponse(turn, inputs, _unnamed_files(items), containers, known)

    async def _history(self, new: int) -> list[Item]:
        service, owner, asked = self._service, self._owner, self._asked

        def admit(items: int, size: int) -> None:
            self._holding.bring("input", items + new, size)

        if asked.conversation_id is not None:
            return await service.store.conversations.all_items(asked.conversation_id, owner, admit)
        if (previous := asked.previous_response_id) is None:
            return []
        if "/" in previous:
            raise _not_found(previous)  # no response of this dialect
        if service.turns.jobs.get(previous, owner) is not None:
            raise BadParameter("previous_response_id", f"the response {previous!r} has not ended yet; wait for it")
        try:
            return await service.store.responses.history(previous, owner, admit)
        except NotFound:
            raise _not_found(previous) from None

    async def _admit(self, items: Sequence[Item], inputs: Sequence[Item]) -> None:
        self._holding.take_all([value for item in items for value in (item.body, item.private)])
        if self._asked.store is not False:
            # At its end it is stored in any case: its tokens are paid by then.
            size = sum(weight(item.body, self._holding.most) for item in inputs)
            await self._service.store.quota.admit(self._owner, size)
        if not items and self._asked.instructions is None:
            why = "there is nothing to answer: input is missing"
            raise BadParameter("input", why, code="missing_required_parameter")

    async def _own_tools(self, earlier: Sequence[str]) -> tuple[dict[str, ServerTool], list[str]]:
        turns, tools, insitu = self._service.turns, self._tools, self._asked.insitu
        granted = turns.grant(insitu.tools if insitu else None, tools.for_code)
        containers, notes = await self._containers(earlier)
        own: dict[str, ServerTool] = {}
        if "python" in containers:
            own["python"] = turns.python(containers["python"], tools.names, granted)
        if "shell" in containers:
            own["shell"] = turns.shell(containers["shell"], tools.names)
        return own, notes

    async def _containers(self, earlier: Sequence[str]) -> tuple[dict[str, Container], list[str]]:
        """Where each kind of tool runs, and what the model is told of it; those with a wish for any share one."""
        service, owner = self._service, self._owner
        found: dict[str, Container] = {}
        notes: list[str] = []
        shared: Container | None = None
        for kind in self._tools.kinds:
            wish = self._tools.places[kind]
            if wish.id is not None:
                found[kind] = await service.turns.containers.usable(wish.id, owner)
                notes += files_note(await files_of_user(service, found[kind]))
                continue
            if shared is None:
                with under_ceiling(wish.where):
                    shared, expired = await automatic_container(service, owner, wish.memory_bytes, earlier)
                notes += expired
            found[kind] = shared
            notes += files_note([record.filename for record in await check_files(service, owner, wish.file_ids)])
            self._stored.attached.add_stored(shared, wish.file_ids)
        return found, list(dict.fromkeys(notes))

    async def _transcript(
        self, items: Sequence[Item], names: Mapping[str, str], container: Container | None
    ) -> Transcript:
        transcript = Transcript(names, partial(self._service.turns.runs.caller, self._owner))
        for item in await with_files(self._stored, items, container):
            transcript.add(item)
        return transcript

    def _turn(
        self, notes: Sequence[str], tools: Sequence[ServerTool], choice: Any, transcript: Transcript
    ) -> TurnRequest:
        asked, messages = self._asked, transcript.messages()
        resumption = self._resumption(transcript, messages)
        return TurnRequest(
            owner=self._owner,
            model=asked.model,
            messages=with_system([asked.instructions, *notes], resumption.fill(messages)),
            tools=tools,
            attached=self._stored.attached,
            client_tools=self._tools.functions,
            tool_choice=choice,
            options=asked.upstream_options(),
            max_output_tokens=asked.max_output_tokens,
            max_tool_calls=asked.max_tool_calls,
            max_steps=asked.insitu.max_steps if asked.insitu else None,
            caller_key=self._caller_key,
            keep_files=asked.store is not False,
            resumption=resumption,
        )

    def _resumption(self, transcript: Transcript, messages: Sequence[Message]) -> Resumption:
        runs = self._service.turns.runs
        resumption = runs.resume(self._owner, messages, transcript.open_calls, transcript.answers)
        if (call_id := resumption.unanswered) is not None:
            raise BadParameter("input", f"No tool output found for function call {call_id}.")
        return resumption


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
