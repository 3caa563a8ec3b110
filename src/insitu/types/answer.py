"""The answer to a question, and what happens on the way to it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from .mapping import shallow

AnswerEventKind = Literal["text", "code", "output", "step", "file", "finished"]


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of code that the model wrote in a turn, and what came of it.

    Args:
        output: stdout, stderr, results and traceback, as a notebook has them.
        images: the figures that it showed, as PNG.
        status: ``failed`` if it could not be run, or not to its end; an error that it raised is in the output.
    """

    code: str
    output: str = ""
    images: tuple[bytes, ...] = ()
    status: Literal["completed", "failed", "incomplete"] = "completed"
    container_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it; images are base64."""
        return {**shallow(self), "images": [base64.b64encode(png).decode() for png in self.images]}


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file that code has made in a turn.

    Args:
        name: without folders.
        size: bytes; None where the server does not tell.
    """

    id: str
    name: str
    container_id: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens of all model calls of a turn together."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a question, and what it did for that.

    Args:
        id: of the response; a later question can follow it.
        reason: why it is incomplete: ``max_steps``, ``max_time``, ``max_tokens``, ``repeated_error``,
            ``max_output_tokens`` or ``content_filter``.
        text: all that the model said; what it said before a step, and after it, are paragraphs of their own.
        files: those that code has made, figures among them.
    """

    id: str
    model: str
    status: Literal["completed", "incomplete"]
    reason: str | None = None
    text: str = ""
    steps: tuple[Step, ...] = ()
    files: tuple[AnswerFile, ...] = ()
    usage: TokenUsage = field(default_factory=TokenUsage)

    @property
    def ok(self) -> bool:
        """Whether the model came to its end."""
        return self.status == "completed"

    @property
    def images(self) -> tuple[bytes, ...]:
        """Every figure of its steps, as PNG."""
        return tuple(png for step in self.steps for png in step.images)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON has it."""
        return {
            "id": self.id,
            "model": self.model,
            "status": self.status,
            "reason": self.reason,
            "text": self.text,
            "steps": [step.to_dict() for step in self.steps],
            "files": [shallow(file) for file in self.files],
            "usage": shallow(self.usage),
        }

    def _repr_html_(self) -> str:
        from ..html import answer_html

        return answer_html(self)


AnyAnswer = TypeVar("AnyAnswer", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class AnswerEvent(Generic[AnyAnswer]):
    """Something that happens while a question is answered.

    Args:
        seq: 0 for the first.
        text: some more of the answer, of a step's code, or of its output; the rest of it comes with later events.
        index: the step that it belongs to; 0 for the first.
        stream: where output comes from; ``result`` is the value of the last expression, and a traceback.
        step: the whole step, in the event ``step``.
        file: the file, in the event ``file``.
        answer: the whole answer, in the event ``finished``.
    """

    seq: int
    kind: AnswerEventKind
    text: str = ""
    index: int | None = None
    stream: Literal["stdout", "stderr", "result"] | None = None
    step: Step | None = None
    file: AnswerFile | None = None
    answer: AnyAnswer | None = None
