"""The items of a response while they are made, and the events that tell of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ....store import Item
from ....turn import events as on
from ....web.shapes import Json
from ....web.written import Written
from ..items import new_item_id, shown

Send = Callable[[Json], None]


@dataclass(slots=True)
class Output:
    """An item that is being made, and its place in the output."""

    item: Item
    index: int
    open: bool = True

    @property
    def body(self) -> Json:
        """What it is made of."""
        return self.item.body


class Outputs:
    """The output of one response.

    Args:
        response: the response as it is without its output.
        include: what clients want to see of items besides.
        send: told of each event.
    """

    def __init__(self, response: Json, owner: str, include: Sequence[str], send: Send) -> None:
        self.response = response
        self.files: dict[str, on.MadeFile] = {}
        self.containers: list[str] = []
        self.step = 0
        self.written = Written()
        self._owner = owner
        self._include = include
        self._send = send
        self._made: list[Output] = []
        self._sequence = 0

    @property
    def items(self) -> list[Item]:
        """The output so far."""
        self.written.settle()
        return [output.item for output in self._made]

    def snapshot(self, include: Sequence[str] | None = None) -> Json:
        """The response as it is now, with what was asked for at its creation or is asked for now."""
        wanted = self._include if include is None else include
        return {**self.response, "output": [shown(item, wanted) for item in self.items]}

    def add(self, body: Json, **private: Any) -> Output:
        """Begin an item."""
        kind = body["type"]
        private["step"] = f"{self.response['id']}:{self.step}"
        if kind != "reasoning":
            body = {**body, "status": "in_progress"}
        output = Output(Item(new_item_id(kind), self._owner, body, private, time.time()), len(self._made))
        self._made.append(output)
        self._tell_of("added", output)
        return output

    def done(self, output: Output, status: str = "completed") -> None:
        """Say that an item is whole, or that there is no more of it."""
        self.written.settle()
        output.open = False
        if "status" in output.body:
            output.body["status"] = status
        self._tell_of("done", output)

    def close(self) -> None:
        """Say of the items that are still open that there is no more of them."""
        for output in self._made:
            if output.open:
                self.done(output, "incomplete")

    def note(self, event: on.CallDone, output: Output) -> None:
        """Keep with a call's item what clients do not see of it, and the next turn needs."""
        self.files.update({file.path: file for file in event.files})
        output.item.private["told"] = event.told
        output.item.private["files"] = [[f.id, f.container_id, f.path, f.size] for f in event.files]

    def runs_in(self, container_id: str) -> None:
        """Take note of the container that was used last."""
        if container_id in self.containers:
            self.containers.remove(container_id)
        self.containers.insert(0, container_id)

    def at(self, event: str, made: Output, /, **fields: Any) -> None:
        """Tell of something that happened to an item."""
        self.event(event, output_index=made.index, item_id=made.item.id, **fields)

    def event(self, event: str, **fields: Any) -> None:
        """Send an event."""
        self._send(self.numbered(event, **fields))

    def numbered(self, event: str, **fields: Any) -> Json:
        """The next event, which is for the caller to send."""
        numbered = {"type": event, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return numbered

    def _tell_of(self, change: str, output: Output) -> None:
        item = shown(output.item, self._include)
        self.event(f"response.output_item.{change}", output_index=output.index, item=item)
