"""A model for the soak: ``python -m benchmarks.soak.script``. It calls a tool as often as it is asked to.

Its answer is what it was told of its calls, as JSON.
"""

from __future__ import annotations

import itertools
import json
import re
from urllib.parse import urlsplit

from benchmarks.children import tell
from tests.support.connection import Connection
from tests.support.model import Json, Received, ScriptedModel, Step, call, say

# Each counts what it has itself run before, the one in a variable and the other in a file, and says where it ran.
_CODE = (
    "import os\ntotal = globals().get('total', 0) + 1\nprint('total', total, 'in', os.readlink('/proc/self/ns/pid'))"
)
_COMMAND = "echo x >> count; echo total $(wc -l < count) in $(readlink /proc/self/ns/pid)"
_ARGUMENTS: Json = {"python": {"code": _CODE}, "shell": {"commands": [_COMMAND, "echo beside"]}}
TOLD = re.compile(r"total (\d+) in (pid:\[\d+\])")
_MOST_STEPS = 1_000_000


def question(tool: str, calls: int) -> str:
    """What is to be asked for so many calls of ``python`` or ``shell``."""
    return f"Use {tool} {calls} times."


class ForgetfulModel(ScriptedModel):
    """Keeps no request, for it gets very many."""

    async def _answer(self, connection: Connection, received: Received) -> None:
        self.requests.clear()
        await super()._answer(connection, received)


def answer(body: Json) -> Step:
    """The next step of a transcript."""
    asked = next(json.dumps(message["content"]) for message in body["messages"] if message["role"] == "user")
    [(tool, calls)] = re.findall(r"Use (\w+) (\d+) times", asked)
    given = [str(message["content"]) for message in body["messages"] if message["role"] == "tool"]
    return call((tool, _ARGUMENTS[tool])) if len(given) < int(calls) else say(json.dumps(given))


def main() -> None:
    """Answer until nobody asks any more."""
    with ForgetfulModel(first_token_s=0.02, tokens_per_s=500) as model:
        model.script(*itertools.repeat(answer, _MOST_STEPS))
        tell(urlsplit(model.url).port)


if __name__ == "__main__":
    main()
