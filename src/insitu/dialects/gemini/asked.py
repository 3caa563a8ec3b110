"""What a request to generate content may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...web.holding import weight
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from .casing import member
from .config import Config
from .contents import read_contents, read_system
from .tools import Tools

# They are gone through while everybody waits.
_DESCRIBED_BYTES = 2 << 20


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
        if member(body, "cached_content"):
            raise Unsupported("cachedContent", "cachedContent is not to be had here: send the contents themselves")
        _refuse_large(body)
        return cls(
            model=model,
            contents=read_contents(member(body, "contents")),
            system=read_system(member(body, "system_instruction")),
            tools=Tools(member(body, "tools")),
            tool_config=member(body, "tool_config"),
            config=Config(member(body, "generation_config")),
        )


def _refuse_large(body: Json) -> None:
    described = [member(body, name) for name in ("tools", "tool_config", "generation_config")]
    if weight(described, _DESCRIBED_BYTES) > _DESCRIBED_BYTES:
        raise BadParameter("tools", f"tools and generationConfig have more than {_DESCRIBED_BYTES} bytes together")
