"""From a request for an interaction to a turn."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ....errors import NotFound
from ....store import Item, new_id
from ....web.bodies import Body
from ....web.holding import Holding, weight
from ....web.parameters import BadParameter
from ....web.service import Service
from ..asked import GenerateContent
from ..preparing import PreparedContent
from ..preparing import prepare as prepare_content
from .asked import CreateInteraction
from .records import Interactions, stored_id
from .steps import contents_of, read_input


@dataclass(frozen=True, slots=True)
class PreparedInteraction:
    """Everything that an interaction needs to be made.

    Args:
        inputs: the steps that are new.
    """

    content: PreparedContent
    inputs: list[Item]


async def prepare(
    service: Service, owner: str, caller_key: str, asked: CreateInteraction, body: Body
) -> PreparedInteraction:
    """Find and check everything that a request names.

    Args:
        body: what the request holds in memory, to which this adds.

    Raises:
        BadParameter: if something is malformed, or not to be had here.
        NotFound: if something that it names is not there.
        QuotaExceeded: if the owner may not store more.
        TooLarge: if the transcript is longer than one may be.
    """
    model = asked.check()
    steps = read_input(asked.input)
    inputs = [Item(new_id("step_"), owner, step, {}, time.time()) for step in steps]
    contents = contents_of([*await _history(service, owner, asked, len(inputs), body), *inputs])
    if asked.stored:
        # At its end it is stored in any case: its tokens are paid by then.
        await service.store.quota.admit(owner, weight(steps, service.settings.max_transcript_bytes))
    generate = GenerateContent.read(model, asked.content(contents))
    content = await prepare_content(service, owner, caller_key, generate, body)
    return PreparedInteraction(content, inputs)


async def _history(service: Service, owner: str, asked: CreateInteraction, new: int, body: Body) -> list[Item]:
    holding = Holding(body, service.settings.max_transcript_bytes)

    def admit(items: int, size: int) -> None:
        holding.bring("input", items + new, size)

    if (previous := asked.previous_interaction_id) is None:
        return []
    if service.turns.jobs.get(stored_id(previous), owner) is not None:
        raise BadParameter("previous_interaction_id", f"the interaction {previous!r} has not ended yet; wait for it")
    try:
        return await Interactions(service.store, owner).history(previous, admit)
    except NotFound:
        raise NotFound(
            f"there is no interaction {previous!r} to go on from",
            hint="it was not stored, its time is over, or it or one before it was deleted",
        ) from None
