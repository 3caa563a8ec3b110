"""What code may call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from ..engine import ToolSpec
from ..errors import InvalidRequest
from .serving import BoundedTool


@dataclass(frozen=True, slots=True)
class Grant:
    """What the code of one execution may call, each by another name.

    Args:
        tools: of the tools that are answered here.
        functions: the client's own: the code pauses until the client has answered.
    """

    tools: Sequence[BoundedTool] = ()
    functions: Sequence[ToolSpec] = ()

    @classmethod
    def of(cls, tools: Iterable[BoundedTool], own: Sequence[BoundedTool | ToolSpec]) -> Self:
        """Tools, and the caller's own: of two of one name, it is the caller's.

        Raises:
            InvalidRequest: if two of the caller's own have the same name.
        """
        names = [each.name for each in own]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidRequest(f"client_tools: two are called {twice!r}", hint="give one of them another name")
        mine = [each for each in own if isinstance(each, BoundedTool)]
        others = [bounded for bounded in tools if bounded.name not in names]
        return cls([*others, *mine], [each for each in own if isinstance(each, ToolSpec)])

    def __bool__(self) -> bool:
        return bool(self.tools or self.functions)

    @property
    def specs(self) -> list[ToolSpec]:
        """All of them as code sees them."""
        return [*(bounded.tool.spec() for bounded in self.tools), *self.functions]


NOTHING = Grant()
