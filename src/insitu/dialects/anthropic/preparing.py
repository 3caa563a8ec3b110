"""From a request for a message to a turn: its container, its tools, its transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...turn.container import Container
from ...turn.events import Message
from ...turn.messages import with_system
from ...turn.request import TurnRequest
from ...turn.resuming import Resumption
from ...turn.tools import Kind, ServerTool
from ...web.bodies import Body
from ...web.places import automatic_container, files_note, files_of_user
from ...web.preparing import Preparing
from ...web.service import Service
from ...web.shapes import Json
from .asked import CountTokens
from .blocks import Said, read_messages, read_system
from .content import Content
from .found import read_made
from .ids import client_use_id, container_id_of, server_use_id
from .results import USES
from .tools import Tools
from .transcript import Transcript, unanswered

# How the model knows the tools of a history, where the request has none.
_NAMES = {USES["python"]: "python", USES["shell"]: "bash", USES["editor"]: "edit"}


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A request that can be answered.

    Args:
        asked: the same without what has become the turn's transcript and tools.
        container: where its code runs; None if it runs none.
        open_uses: uses that an earlier message has left open, by their calls.
    """

    asked: CountTokens
    tools: Tools
    turn: TurnRequest
    container: Container | None
    open_uses: Mapping[str, Json]

    def earlier(self, call_id: str) -> tuple[str, str]:
        """The kind of tool, and the id, of a use that an earlier message began and this one goes on with."""
        if (use := self.open_uses.get(call_id)) is not None:
            return next(kind for kind, name in USES.items() if name == use["name"]), use["id"]
        # Its client has not sent it back.
        assert self.turn.resumption is not None and self.turn.resumption.run is not None
        tool = self.turn.resumption.run.callers[call_id].tool
        assert tool is not None
        return tool.kind, server_use_id(call_id, tool.container.id)


async def prepare(service: Service, owner: str, caller_key: str, asked: CountTokens, body: Body) -> PreparedMessage:
    """Find and check everything that a request names.

    Args:
        body: what the request holds in memory, to which this adds.

    Raises:
        BadParameter: if something is malformed, or not to be had here.
        NotFound: if something that it names is not there.
        TooLarge: if the transcript is longer than one may be.
    """
    asked.check()
    return await _Preparing(service, owner, caller_key, asked, body).message()


class _Preparing(Preparing[CountTokens]):
    def __init__(self, service: Service, owner: str, caller_key: str, asked: CountTokens, body: Body) -> None:
        super().__init__(service, owner, caller_key, asked, body)
        self._tools, self._said = Tools(asked.tools), read_messages(asked.messages)
        self._holding.take_all([asked.messages, asked.system, asked.tools])

    async def message(self) -> PreparedMessage:
        """The request as it can be answered."""
        container, notes = await self._container()
        own = self._own_tools(container) if container else []
        transcript = await self._transcript(own, container if own else None)
        turn = self._turn(notes, own, transcript)
        asked = self._asked.model_copy(update={"messages": [], "system": None, "tools": []})
        return PreparedMessage(asked, self._tools, turn, container, transcript.open_uses)

    async def _container(self) -> tuple[Container | None, list[str]]:
        """Where code runs, if it does or the request says where, and what the model is told of it."""
        service, owner, named = self._service, self._owner, self._asked.container_id
        if named is not None:
            container = await service.turns.containers.usable(named, owner)
            return container, files_note(await files_of_user(service, container))
        if not self._tools.kinds:
            return None, []
        return await automatic_container(service, owner, None, _containers_of(self._said))

    def _own_tools(self, container: Container) -> list[ServerTool]:
        turns, tools = self._service.turns, self._tools
        granted = turns.grant(self._asked.insitu.tools, tools.for_code)
        make: Mapping[Kind, partial[ServerTool]] = {
            "python": partial(turns.python, granted=granted),
            "shell": partial(turns.bash),
            "editor": partial(turns.editor),
        }
        kinds = tools.kinds[:1] if turns.is_fenced(self._asked.model) else tools.kinds
        return [make[kind](container, tools.names) for kind in kinds]

    async def _transcript(self, own: Sequence[ServerTool], container: Container | None) -> Transcript:
        service, owner = self._service, self._owner
        made = partial(read_made, service, owner, self._holding)
        names = {**_NAMES, **{USES[tool.kind]: tool.name for tool in own}}
        caller = partial(service.turns.runs.caller, owner)
        content = Content(self._stored, made, container)
        transcript = Transcript(names, caller, content, service.settings.tool_output_chars)
        for each in self._said:
            await transcript.add(each)
        return transcript

    def _turn(self, notes: Sequence[str], own: Sequence[ServerTool], transcript: Transcript) -> TurnRequest:
        asked, messages = self._asked, transcript.messages()
        resumption = self._resumption(transcript, messages)
        return TurnRequest(
            owner=self._owner,
            model=asked.model,
            messages=with_system([read_system(asked.system), *notes], resumption.fill(messages)),
            tools=own,
            attached=self._stored.attached,
            client_tools=self._tools.functions,
            tool_choice=self._tools.choice(asked.tool_choice, own[0].name if own else ""),
            options=asked.upstream_options(),
            max_output_tokens=asked.output_tokens,
            max_steps=asked.insitu.max_steps,
            caller_key=self._caller_key,
            resumption=resumption,
        )

    def _resumption(self, transcript: Transcript, messages: Sequence[Message]) -> Resumption:
        runs, calls = self._service.turns.runs, list(transcript.open_uses)
        resumption = runs.resume(self._owner, messages, calls, transcript.answers)
        if (call_id := resumption.unanswered) is not None:
            raise unanswered([client_use_id(call_id)])
        return resumption


def _containers_of(said: Sequence[Said]) -> list[str]:
    """Where code ran, the latest first; whether it was the caller's is seen when it is looked for."""
    uses = [block for each in reversed(said) for block in reversed(each.blocks) if block.type == "server_tool_use"]
    found = [container_id_of(use.body["id"]) for use in uses]
    return [container_id for container_id in found if container_id is not None]
