"""Uses of tools while they are written and run: those of the server's, and those that the client answers."""

from __future__ import annotations

import json
from typing import Any

from ...turn import events as on
from ...turn.arguments import Escaping, valid_arguments
from ...web.shapes import Json
from .ids import client_use_id
from .results import USES, content_of, error_content, result_block
from .writing import Block, Blocks

_CODE: dict[str, str] = {"python": "code", "shell": "command"}
_EDITOR = ("command", "path", "file_text", "old_str", "new_str", "view_range")


class ServerUse:
    """A use of one of the server's tools.

    Args:
        id: of its block.
        resumed: whether the client has its block already, from an earlier message.
    """

    def __init__(self, blocks: Blocks, kind: str, id: str, *, resumed: bool) -> None:
        self.id = id
        self.done = False
        self._blocks = blocks
        self._kind = kind
        self._begun = False
        self._block: Block | None = None
        if not resumed:
            self._block = blocks.add({"type": "server_tool_use", "id": id, "name": USES[kind], "input": {}})
            self._block.delta(_input(""))

    def code(self, text: str) -> None:
        """Take some more of its code."""
        if self._block is not None:
            # Clients read it anew at each piece, so that it must be JSON from its beginning on.
            before = "" if self._begun else f'{{"{_CODE[self._kind]}": "'
            self._begun = True
            self._block.delta(_input(before + json.dumps(text, ensure_ascii=False)[1:-1]))

    def written(self, arguments: Any) -> None:
        """Take its arguments, which are complete."""
        if self._block is None:
            return
        known = (_CODE[self._kind],) if self._kind in _CODE else _EDITOR
        self._block.body["input"] = {name: arguments[name] for name in known if name in arguments}
        self._block.delta(_input('"}' if self._begun else json.dumps(self._block.body["input"], ensure_ascii=False)))
        self._block.close()

    def end(self, event: on.CallDone) -> None:
        """Take what came of it."""
        self._result(content_of(self._kind, event))

    def fail(self, code: str, why: str) -> None:
        """Say that nothing came of it."""
        self._result(error_content(self._kind, code, why))

    def _result(self, content: Json) -> None:
        self.done = True
        if self._block is not None:
            self._block.close()  # its arguments could not be read, or were never whole
        self._blocks.whole(result_block(self._kind, self.id, content))


class ClientUse:
    """A use of one of the client's tools.

    Args:
        caller: the use whose code has made it, as the client is told; None if it is the model itself.
        eager: whether the client wants the input as the model writes it, be it whole JSON or not.
    """

    def __init__(self, blocks: Blocks, event: on.ClientCallStarted, *, caller: Json | None, eager: bool) -> None:
        self._blocks = blocks
        self._eager = Escaping() if eager else None
        self._body: Json = {"type": "tool_use", "id": client_use_id(event.id), "name": event.name, "input": {}}
        self._block: Block | None = None
        if caller is None:
            self._block = blocks.add(self._body)
            self._block.delta(_input(""))
        else:
            self._body["caller"] = caller

    def more(self, text: str) -> None:
        """Take some more of its input."""
        if self._block is not None and self._eager is not None:
            self._block.delta(_input(self._eager.feed(text)))

    def end(self, arguments: str) -> None:
        """Take all of its input."""
        valid = valid_arguments(arguments)
        self._body["input"] = json.loads(valid)
        if self._block is None:
            self._blocks.whole(self._body)
            return
        if self._eager is None:
            self._block.delta(_input(valid))
        self._block.close()


def _input(text: str) -> Json:
    return {"type": "input_json_delta", "partial_json": text}
