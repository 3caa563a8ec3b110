"""What one turn's code may show has a bound over all its calls, and the model is told what was not shown."""

from __future__ import annotations

import pytest

from insitu.turn import showing
from insitu.types import Execution
from tests.support.model import ScriptedModel, say
from tests.support.responses import run
from tests.support.turns import Place, output

FIGURE = """
class Figure:
    def _repr_png_(self): return b"\\x89PNG\\r\\n\\x1a\\n" + bytes(600)
display(Figure())
"""


def told(model: ScriptedModel) -> list[str]:
    return [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "tool"]


async def test_figures_are_shown_while_there_is_room(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_FIGURES_BYTES", 1000)
    model.script(run(FIGURE), run(FIGURE), say("done"))
    made = output(await place.ask())
    outputs = [item["outputs"] for item in made if item["type"] == "code_interpreter_call"]
    assert [[output["type"] for output in each] for each in outputs] == [["image"], []]
    assert told(model)[0].startswith("[1 figure shown to the user]")
    assert told(model)[1] == "[1 figure not shown: too many, or too large]"


async def test_output_is_shown_while_there_is_room(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_OUTPUT_CHARS", 100)
    model.script(run("print('a' * 90)"), run("print('b' * 90)"), run("print('c')"), say("done"))
    events = await place.events()
    live = [event.delta for event in events if event.type == "insitu.output.delta"]
    assert live == ["a" * 90 + "\n", "b" * 90 + f"\n\n{showing.NO_MORE}"]
    outputs = [item["outputs"] for item in events[-1].response.to_dict()["output"] if "outputs" in item]
    assert [each[0]["logs"].strip() for each in outputs] == ["a" * 90, showing.NO_MORE, "c"]
    assert [text.strip() for text in told(model)] == ["a" * 90, "b" * 90, "c"]


def test_an_execution_that_fits_is_left_as_it_is() -> None:
    execution = Execution("e", None, "ok", True, 0, stdout="out", stderr="err")
    assert showing.Showing().ended(execution) is execution
