"""From a request in Google's form to a turn."""

from __future__ import annotations

from dataclasses import dataclass

from ...turn.container import Container
from ...turn.messages import with_system
from ...turn.request import TurnRequest
from ...turn.tools import ServerTool
from ...web.bodies import Body
from ...web.places import automatic_container
from ...web.preparing import Preparing
from ...web.service import Service
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
    return await _Preparing(service, owner, caller_key, asked, body).content()


class _Preparing(Preparing[GenerateContent]):
    async def content(self) -> PreparedContent:
        """The request as it can be answered."""
        asked = self._asked
        self._holding.take_all([asked.contents, asked.system])
        choice = asked.tools.choice(asked.tool_config)
        python, notes = await self._python() if asked.tools.python else (None, [])
        transcript = await self._transcript(python)
        turn = TurnRequest(
            owner=self._owner,
            model=asked.model,
            messages=with_system([asked.system, *notes], transcript.messages()),
            tools=[python] if python else [],
            attached=self._stored.attached,
            client_tools=asked.tools.functions,
            tool_choice=choice,
            options=asked.config.options(),
            max_output_tokens=asked.config.max_output_tokens,
            caller_key=self._caller_key,
        )
        return PreparedContent(turn, python.container if python else None, asked.config.shows_thoughts)

    async def _python(self) -> tuple[ServerTool, list[str]]:
        service, turns = self._service, self._service.turns
        earlier = containers_of(self._asked.contents)
        container, notes = await automatic_container(service, self._owner, None, earlier)
        return turns.python(container, self._asked.tools.names, turns.grant(None, [])), notes

    async def _transcript(self, python: ServerTool | None) -> Transcript:
        content = Content(self._stored, python.container if python else None)
        transcript = Transcript(python.name if python else "python", content)
        for index, said in enumerate(self._asked.contents):
            await transcript.add(said, f"contents[{index}]")
        return transcript
