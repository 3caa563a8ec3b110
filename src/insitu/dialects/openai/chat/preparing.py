"""From a request for a chat completion to a turn: its history, its container and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....turn.container import Container
from ....turn.events import Message, TurnResult
from ....turn.messages import with_note
from ....turn.request import TurnRequest
from ....turn.resuming import Resumption
from ....turn.step import Emit
from ....web.bodies import Body
from ....web.parameters import BadParameter
from ....web.places import automatic_container, check_files
from ....web.preparing import Preparing
from ....web.service import Service
from ..places import under_ceiling
from .answer import ChatAnswer
from .asked import ChatRequest
from .content import with_files
from .history import History, recall, remember


@dataclass(frozen=True, slots=True)
class PreparedChat:
    """A request that can be answered; it holds on to nothing of the body but what its turn needs.

    Args:
        streams: whether the answer is a stream.
        tells_usage: whether that ends with what it has cost.
    """

    streams: bool
    tells_usage: bool
    turn: TurnRequest
    answer: ChatAnswer

    async def run(self, service: Service, emit: Emit) -> TurnResult:
        """Run the turn, and store what the next one goes on from."""
        result = await service.turns.run(self.turn, emit)
        await remember(service.store, self.turn.owner, self.answer, result)
        return result


async def prepare(service: Service, owner: str, caller_key: str, asked: ChatRequest, body: Body) -> PreparedChat:
    """Find and check everything that a request names.

    Args:
        body: what the request holds in memory, to which this adds.

    Raises:
        TooLarge: if the transcript is longer than one may be.
        QuotaExceeded: if the owner may not store more.
        BadParameter: if something is malformed.
        NotFound: if something that it names is not there.
    """
    return await _Preparing(service, owner, caller_key, asked, body).chat()


class _Preparing(Preparing[ChatRequest]):
    async def chat(self) -> PreparedChat:
        """The request as it can be answered."""
        asked = self._asked
        history = await recall(self._service.store, self._owner, asked.messages)
        if asked.tools.functions or asked.tools.for_code:
            # What a client's function makes a turn wait for is stored in any case.
            await self._service.store.quota.admit(self._owner, 1)
        self._holding.take_all(history.messages)
        container, notes = await self._container(history.containers)
        messages = await with_files(self._stored, history.messages, container)
        for note in notes:
            messages = with_note(messages, note)
        turn = self._turn(history, messages, container)
        known = {asked.container.id, *history.containers}
        answer = ChatAnswer(asked.model, container.id if container.id in known else None)
        return PreparedChat(asked.stream, asked.include_usage, turn, answer)

    async def _container(self, earlier: Sequence[str]) -> tuple[Container, list[str]]:
        """Where code is to run, and what the model is told of it."""
        service, owner, wish = self._service, self._owner, self._asked.container
        if wish.id is not None:
            return await service.turns.containers.usable(wish.id, owner), []
        with under_ceiling(wish.where):
            container, notes = await automatic_container(service, owner, wish.memory_bytes, earlier)
        await check_files(service, owner, wish.file_ids)
        self._stored.attached.add_stored(container, wish.file_ids)
        return container, notes

    def _turn(self, history: History, messages: list[Message], container: Container) -> TurnRequest:
        asked, turns = self._asked, self._service.turns
        resumption = self._resumption(history)
        tool = turns.python(container, asked.tools.names, turns.grant(asked.granted, asked.tools.for_code))
        return TurnRequest(
            owner=self._owner,
            model=asked.model,
            messages=resumption.fill(messages),
            tools=[tool],
            attached=self._stored.attached,
            client_tools=asked.tools.functions,
            tool_choice=asked.tools.choice(asked.tool_choice, tool.name),
            options=asked.options,
            max_output_tokens=asked.max_output_tokens,
            max_tool_calls=asked.max_tool_calls,
            max_steps=asked.max_steps,
            caller_key=self._caller_key,
            resumption=resumption,
        )

    def _resumption(self, history: History) -> Resumption:
        runs = self._service.turns.runs
        resumption = runs.resume(self._owner, history.messages, history.open_calls, history.answers)
        if (call_id := resumption.unanswered) is not None:
            raise BadParameter("messages", f"No tool message found for the call {call_id}, which code has made.")
        return resumption
