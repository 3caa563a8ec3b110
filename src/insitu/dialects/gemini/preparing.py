"""From a request in Google's form to a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import InvalidRequest
from ...turn.container import Container
from ...turn.messages import one_system
from ...turn.request import TurnRequest
from ...turn.tools import ServerTool
from ...web.bodies import Body
from ...web.holding import Holding, weight
from ...web.parameters import BadParameter, Unsupported
from ...web.places import EXPIRED, automatic_container
from ...web.service import Service
from ...web.stored_files import StoredFiles
from .casing import Json, member
from .config import Config
from .contents import MOST_PARTS, Transcript, containers_of
from .media import Media
from .tools import read_tools

# They are gone through while everybody waits.
_DESCRIBED_BYTES = 2 << 20
_ROLES = {"user": "user", "function": "user", "tool": "user", "model": "model"}


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


async def prepare_content(
    service: Service, owner: str, caller_key: str, model: str, body: Json, held: Body
) -> PreparedContent:
    """Find and check everything that a request names.

    Args:
        held: what the request holds in memory, to which this adds.

    Raises:
        BadParameter: if something is malformed, or not to be had here.
        NotFound: if a file that it names is not there.
        TooLarge: if the transcript is longer than one may be.
    """
    if member(body, "cached_content"):
        raise Unsupported("cachedContent", "cachedContent is not to be had here: send the contents themselves")
    _refuse_large(body)
    holding = Holding(held, service.settings.max_transcript_bytes)
    config, tools = Config(member(body, "generation_config")), read_tools(body)
    contents = read_contents(member(body, "contents"))
    holding.take_all([body.get("contents"), member(body, "system_instruction")])
    notes: list[str] = []
    python: ServerTool | None = None
    if tools.code:
        container, expired = await automatic_container(service, owner, None, containers_of(contents))
        notes += [EXPIRED] if expired else []
        python = service.turns.python(container, tools.names, service.turns.grant(None, []))
    stored = StoredFiles(service, owner, holding)
    media = Media(stored, python.container if python else None)
    transcript = Transcript(python.name if python else "python")
    for index, content in enumerate(contents):
        where = f"contents[{index}]"
        if content["role"] == "model":
            transcript.model(content["parts"], where)
        else:
            transcript.user(content["parts"], await media.content(content["parts"], where), where)
    system = [_system(member(body, "system_instruction")), *notes]
    instructions = [{"role": "system", "content": text} for text in system if text]
    turn = TurnRequest(
        owner=owner,
        model=model,
        messages=one_system([*instructions, *transcript.finish("contents")]),
        tools=[python] if python else [],
        contents=stored.contents,
        client_tools=tools.functions,
        tool_choice=tools.choice if tools.functions else None,
        options=config.options(),
        max_output_tokens=config.max_output_tokens,
        caller_key=caller_key,
    )
    return PreparedContent(turn, python.container if python else None, config.shows_thoughts)


def _refuse_large(body: Json) -> None:
    described = [member(body, name) for name in ("tools", "tool_config", "generation_config")]
    if weight(described, _DESCRIBED_BYTES) > _DESCRIBED_BYTES:
        raise BadParameter("tools", f"tools and generationConfig have more than {_DESCRIBED_BYTES} bytes together")


def read_contents(contents: Any) -> list[Json]:
    """The contents, each with its ``role`` and its ``parts``.

    Raises:
        BadParameter: if they are malformed.
    """
    if isinstance(contents, dict | str):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise BadParameter("contents", "contents must be a list of at least one content")
    if len(contents) > MOST_PARTS:
        raise BadParameter("contents", f"there are {len(contents)} contents, and {MOST_PARTS} is the most")
    read = [_content(content, f"contents[{index}]") for index, content in enumerate(contents)]
    if (count := sum(len(content["parts"]) for content in read)) > MOST_PARTS:
        raise BadParameter("contents", f"there are {count} parts, and {MOST_PARTS} is the most")
    if read[-1]["role"] == "model":
        raise BadParameter("contents", "the last of the contents must be the user's, or the answers to function calls")
    return read


def _content(content: Any, where: str) -> Json:
    if isinstance(content, str):
        content = {"parts": [{"text": content}]}
    if not isinstance(content, dict):
        raise BadParameter(where, f"{where} must be an object")
    role = content.get("role") or "user"
    if not isinstance(role, str) or role not in _ROLES:
        raise BadParameter(f"{where}.role", f"{where}.role must be user or model")
    return {"role": _ROLES[role], "parts": _parts(content.get("parts"), where)}


def _parts(parts: Any, where: str) -> list[Json]:
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise BadParameter(f"{where}.parts", f"{where}.parts must be a list of objects")
    return parts


def _system(instruction: Any) -> str:
    if instruction is None:
        return ""
    try:
        parts = _content(instruction, "systemInstruction")["parts"]
    except InvalidRequest as exc:
        raise BadParameter("systemInstruction", exc.message) from None
    return "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))
