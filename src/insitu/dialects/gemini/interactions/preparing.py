"""From a request for an interaction to a turn."""

from __future__ import annotations

import time

from starlette.requests import Request

from ....errors import NotFound
from ....store import Item, new_id
from ....web.holding import weight
from ....web.parameters import BadParameter
from ....web.service import Service, key_of, owner_of
from ....web.wire import body_of
from ..preparing import prepare
from . import records
from .asked import CreateInteraction
from .making import Prepared
from .records import Interactions
from .steps import contents_of, read_input


async def prepare_interaction(service: Service, request: Request, asked: CreateInteraction) -> Prepared:
    """Find and check everything that a request names.

    Raises:
        BadParameter: if something is malformed, or not to be had here.
        NotFound: if something that it names is not there.
        QuotaExceeded: if the owner may not store more.
        TooLarge: if the transcript is longer than one may be.
    """
    model, owner = asked.check(), owner_of(request)
    steps = read_input(asked.input)
    inputs = [Item(new_id("step_"), owner, step, {}, time.time()) for step in steps]
    contents = contents_of([*await _history(service, owner, asked), *inputs])
    if asked.stored:
        # At its end it is stored in any case: its tokens are paid by then.
        await service.store.quota.admit(owner, weight(steps, service.settings.max_transcript_bytes))
    body = asked.generation(contents)
    generation = await prepare(service, owner, key_of(request), model, body, body_of(request))
    return Prepared(generation, inputs)


async def _history(service: Service, owner: str, asked: CreateInteraction) -> list[Item]:
    if (previous := asked.previous_interaction_id) is None:
        return []
    job = service.turns.jobs.get(records.key_of(previous), owner)
    if job is not None and not job.done:
        raise BadParameter("previous_interaction_id", f"the interaction {previous!r} has not ended yet; wait for it")
    try:
        return await Interactions(service.store, owner).history(previous)
    except NotFound:
        raise NotFound(
            f"there is no interaction {previous!r} to go on from",
            hint="it was not stored, its time is over, or it or one before it was deleted",
        ) from None
