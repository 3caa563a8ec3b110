"""From a request for a chat completion to a turn: its history, its container and its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....turn.container import Container
from ....turn.events import TurnEvent, TurnResult
from ....turn.messages import with_note
from ....turn.request import Attached, TurnRequest
from ....web.bodies import Body
from ....web.holding import Holding
from ....web.parameters import BadParameter
from ....web.places import EXPIRED, automatic_container, check_files
from ....web.service import Service
from ....web.shapes import Json
from .answer import ChatAnswer
from .asked import ChatRequest
from .content import with_files
from .history import recall, remember


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

    async def run(self, service: Service, emit: Callable[[TurnEvent], None]) -> TurnResult:
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
    history = await recall(service.store, owner, asked.messages)
    if asked.tools.functions or asked.tools.for_code:
        # What a client's function makes a turn wait for is stored in any case.
        await service.store.quota.admit(owner, 1)
    Holding(body, service.settings.max_transcript_bytes).take_all(history.messages)
    attached = Attached()
    container, expired = await _container(service, owner, asked.container, history.containers, attached)
    messages = await with_files(service, owner, history.messages, container, attached)
    resumption = service.turns.runs.resume(owner, history.messages, history.open_calls, history.answers)
    if (call_id := resumption.unanswered) is not None:
        raise BadParameter("messages", f"No tool message found for the call {call_id}, which code has made.")
    granted = service.turns.grant(asked.granted, asked.tools.for_code)
    tool = service.turns.python(container, asked.tools.names, granted)
    turn = TurnRequest(
        owner=owner,
        model=asked.model,
        messages=resumption.fill(with_note(messages, EXPIRED) if expired else messages),
        tools=[tool],
        attached=attached,
        client_tools=asked.tools.functions,
        tool_choice=asked.tools.choice(asked.tool_choice, tool.name),
        options=asked.options,
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=asked.max_tool_calls,
        max_steps=asked.max_steps,
        caller_key=caller_key,
        resumption=resumption,
    )
    known = {asked.container.get("id"), *history.containers}
    answer = ChatAnswer(asked.model, container.id if container.id in known else None)
    return PreparedChat(asked.stream, asked.include_usage, turn, answer)


async def _container(
    service: Service, owner: str, wish: Json, earlier: list[str], attached: Attached
) -> tuple[Container, bool]:
    """Where code is to run, and whether an earlier place has expired."""
    if "id" in wish:
        return await service.turns.containers.usable(wish["id"], owner), False
    container, expired = await automatic_container(service, owner, wish["memory_bytes"], earlier)
    await check_files(service, owner, wish["file_ids"])
    attached.add_stored(container, wish["file_ids"])
    return container, expired
