"""From a request in Google's form to a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...turn.container import Container
from ...turn.messages import with_system
from ...turn.request import TurnRequest
from ...turn.tools import ServerTool
from ...web.bodies import Body
from ...web.holding import Holding
from ...web.places import EXPIRED, automatic_container
from ...web.service import Service
from ...web.shapes import Json
from ...web.stored_files import StoredFiles
from .asked import GenerateContent
from .content import Content
from .signatures import containers_of
from .transcript import Transcript


@dataclass(frozen=True, slots=True)
class PreparedContent:
    """A request that can be answered.

    Args:
        container: where its code runs; None if it runs none.
        shows_thoughts: whether the answer is to have the model's reasoning.
    """

    turn: TurnRequest
    container: Container | None
    shows_thoughts: bool


async def prepare(service: Service, owner: str, caller_key: str, asked: GenerateContent, body: Body) -> PreparedContent:
    """Find and check everything that a request names.

    Args:
        body: what the request holds in memory, to which this adds.

    Raises:
        BadParameter: if something is malformed, or not to be had here.
        NotFound: if a file that it names is not there.
        TooLarge: if the transcript is longer than one may be.
    """
    holding = Holding(body, service.settings.max_transcript_bytes)
    holding.take_all([asked.contents, asked.system])
    tools = asked.tools
    choice = tools.choice(asked.tool_config)
    notes: list[str] = []
    python: ServerTool | None = None
    if tools.python:
        container, expired = await automatic_container(service, owner, None, containers_of(asked.contents))
        notes += [EXPIRED] if expired else []
        python = service.turns.python(container, tools.names, service.turns.grant(None, []))
    stored = StoredFiles(service, owner, holding)
    content = Content(stored, python.container if python else None)
    transcript = await _transcript(asked.contents, python, content)
    turn = TurnRequest(
        owner=owner,
        model=asked.model,
        messages=with_system([asked.system, *notes], transcript.messages()),
        tools=[python] if python else [],
        attached=stored.attached,
        client_tools=tools.functions,
        tool_choice=choice,
        options=asked.config.options(),
        max_output_tokens=asked.config.max_output_tokens,
        caller_key=caller_key,
    )
    return PreparedContent(turn, python.container if python else None, asked.config.shows_thoughts)


async def _transcript(contents: Sequence[Json], python: ServerTool | None, content: Content) -> Transcript:
    transcript = Transcript(python.name if python else "python", content)
    for index, said in enumerate(contents):
        await transcript.add(said, f"contents[{index}]")
    return transcript
