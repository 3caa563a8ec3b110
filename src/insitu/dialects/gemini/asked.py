"""What a request to generate content may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...web.holding import weight
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from .casing import camel, member
from .config import Config
from .contents import read_contents, read_system
from .members import check_message
from .tools import Tools

# They are gone through while everybody waits.
_DESCRIBED_BYTES = 2 << 20
_DESCRIBED = {"tools": "Tool", "tool_config": "ToolConfig", "generation_config": "GenerationConfig"}
_ELSEWHERE = ("cached_content", "continuation_token", "model_armor_config")


@dataclass(frozen=True, slots=True)
class GenerateContent:
    """Content to generate.

    Args:
        contents: what was said, each with its ``role`` and its ``parts``.
        system: the text of the system instruction.
        tool_config: as it came.
    """

    model: str
    contents: list[Json]
    system: str
    tools: Tools
    tool_config: Any
    config: Config

    @classmethod
    def read(cls, model: str, body: Json) -> GenerateContent:
        """The request of a body.

        Raises:
            BadParameter: if something is malformed, or not to be had here.
        """
        check_message(body, "GenerateContentRequest", "")
        for name in _ELSEWHERE:
            if member(body, name):
                raise Unsupported(name, f"{camel(name)} is not to be had here: only Google's servers have it")
        _check_described(body)
        return cls(
            model=model,
            contents=read_contents(member(body, "contents")),
            system=read_system(member(body, "system_instruction")),
            tools=Tools(member(body, "tools")),
            tool_config=member(body, "tool_config"),
            config=Config(member(body, "generation_config")),
        )


def _check_described(body: Json) -> None:
    if weight([member(body, name) for name in _DESCRIBED], _DESCRIBED_BYTES) > _DESCRIBED_BYTES:
        raise BadParameter("tools", f"tools and generationConfig have more than {_DESCRIBED_BYTES} bytes together")
    for name, message in _DESCRIBED.items():
        check_message(member(body, name), message, name)
