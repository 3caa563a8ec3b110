"""Anthropic's messages as a transcript in the shape of chat completions, which the turn goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ...engine import ToolFailure
from ...output import clipped
from ...turn.answers import AnswerText
from ...turn.events import Message
from ...turn.messages import PastStep, as_content, flat
from ...turn.step import MOST_CALLS, Caller
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from .blocks import RESULTS, Block, Said, joined
from .content import Content
from .ids import call_id_of
from .results import told_of

_MOST_NAMED = 10


class Transcript:
    """Reads what was said, one after the other.

    Args:
        names: how the model knows the server's tools, by the names of their uses.
        caller: finds the call whose code has made a call, as far as that is known here.
        most: characters of a result that the model is shown.
    """

    def __init__(self, names: Mapping[str, str], caller: Caller, content: Content, most: int) -> None:
        self.answers: dict[str, object] = {}
        self._names = names
        self._caller = caller
        self._content = content
        self._most = most
        self._entries: list[PastStep | Message] = []
        self._open: PastStep | None = None
        self._steps: dict[str, PastStep] = {}
        self._uses: dict[str, Json] = {}
        self._of_code: set[str] = set()

    @property
    def open_uses(self) -> dict[str, Json]:
        """Uses of the server's tools of which there is no result, by their calls."""
        return {call_id: use for call_id, use in self._unanswered.items() if use["type"] == "server_tool_use"}

    def messages(self) -> list[Message]:
        """All that was said.

        Raises:
            BadParameter: if a use of the client's tools has no result, or more of the server's than a model's answer
                can leave open.
        """
        if waiting := [use["id"] for use in self._unanswered.values() if use["type"] == "tool_use"]:
            raise unanswered(waiting)
        if len(uses := list(self.open_uses.values())) > MOST_CALLS:
            raise _too_open(uses)
        return flat(self._entries)

    async def add(self, said: Said) -> None:
        """Take what somebody said.

        Raises:
            BadParameter: if something in it does not fit what was said before.
            NotFound: if there is no file that it names.
        """
        match said.role:
            case "assistant":
                self._open = None
                for block in said.blocks:
                    self._assistant(block)
            case "system":
                self._say("system", joined(said.blocks))
            case "user":
                await self._user(said.blocks)

    async def _user(self, blocks: list[Block]) -> None:
        images: list[Json] = []
        for block in blocks:
            if block.type == "tool_result":
                images += await self._client_result(block)
        # What the user says behind a result answers what the model said before.
        parts = await self._content.parts([block for block in blocks if block.type != "tool_result"])
        if images or parts:
            self._say("user", as_content([*images, *parts]))

    def _say(self, role: str, content: object) -> None:
        if content:
            self._entries.append({"role": role, "content": content})

    def _assistant(self, block: Block) -> None:
        body = block.body
        if block.type in RESULTS:
            self._result(block)
        elif block.type == "server_tool_use":
            self._server_use(block)
        elif block.type == "tool_use":
            self._client_use(block)
        elif block.type == "text" and body["text"]:
            self._step().say(body["text"])

    def _step(self) -> PastStep:
        if self._open is None:
            self._open = PastStep()
            self._entries.append(self._open)
        return self._open

    def _server_use(self, block: Block) -> None:
        name = self._names.get(block.body["name"])
        if name is None:
            raise Unsupported(
                f"{block.where}.name", f"{block.where}: there is no tool {block.body['name'][:64]!r} here"
            )
        self._call(block, name)

    def _client_use(self, block: Block) -> None:
        call_id = call_id_of(block.body["id"])
        caller = block.body.get("caller")
        by_code = isinstance(caller, dict) and caller.get("type", "direct") != "direct"
        if by_code or self._caller(call_id) is not None:
            self._of_code.add(call_id)
        else:
            self._call(block, block.body["name"])

    def _call(self, block: Block, name: str) -> None:
        call_id = call_id_of(block.body["id"])
        if call_id in self._steps:
            raise BadParameter(f"{block.where}.id", f"{block.where}: `tool_use` ids must be unique")
        self._steps[call_id], self._uses[call_id] = self._step(), block.body
        try:
            arguments = json.dumps(block.body["input"], ensure_ascii=False, allow_nan=False)
        except ValueError:
            raise BadParameter(f"{block.where}.input", f"{block.where}.input: numbers must be finite") from None
        self._step().call(call_id, name, arguments)

    def _result(self, block: Block) -> None:
        self._tell(block, clipped(told_of(block.body["content"]), self._most))
        self._open = None  # what follows the model said when it had read this

    async def _client_result(self, block: Block) -> list[Json]:
        text, images = await self._content.result(block)
        call_id = call_id_of(block.body["tool_use_id"])
        failed = block.body.get("is_error") is True
        if call_id not in self._of_code:
            self._tell(block, f"[error] {text}" if failed else text)
            return images
        self.answers[call_id] = ToolFailure("RuntimeError", text) if failed else AnswerText(text)
        return []

    def _tell(self, block: Block, text: str) -> None:
        use_id = block.body["tool_use_id"]
        step = self._steps.get(call_id_of(use_id))
        if step is None:
            raise BadParameter(
                block.where,
                f"{block.where}: unexpected `tool_use_id` found in `{block.type}` blocks: {use_id}. Each "
                f"`{block.type}` block must have a corresponding `tool_use` block in the previous message.",
            )
        step.told[call_id_of(use_id)] = text

    @property
    def _unanswered(self) -> dict[str, Json]:
        return {call_id: use for call_id, use in self._uses.items() if call_id not in self._steps[call_id].told}


def unanswered(use_ids: Sequence[str]) -> BadParameter:
    """What is said of uses of the client's tools that have no result; the first of them are named."""
    named = ", ".join(use_ids[:_MOST_NAMED])
    return BadParameter(
        "messages",
        f"`tool_use` ids were found without `tool_result` blocks immediately after: {named}. Each `tool_use` block "
        "must have a corresponding `tool_result` block in the next message.",
    )


def _too_open(uses: Sequence[Json]) -> BadParameter:
    first = uses[0]
    return BadParameter(
        "messages",
        f"`{first['name']}` tool use with id `{first['id']}` was found without a corresponding "
        f"`{first['name']}_tool_result` block, and so were {len(uses) - 1} more; {MOST_CALLS} of them can wait for "
        "their results",
    )
