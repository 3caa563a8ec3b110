"""The guards of a turn: nothing loops for ever, and nothing is billed without end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import UpstreamFailed
from .chunks import Tokens
from .events import Reason, TurnUsage

# The same error so often in a row is pointed out once; the next time ends the turn.
_SAME_ERRORS = 3


@dataclass(slots=True)
class Guard:
    """Counts what a turn has used.

    Args:
        max_steps: model calls.
        max_tokens: tokens of all model calls together.
        max_output_tokens: tokens that the model may write, as the caller wishes; None for no limit.
        max_tool_calls: calls of the server's tools, as the caller wishes; None for no limit.
    """

    max_steps: int
    max_tokens: int
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    usage: TurnUsage = field(default_factory=TurnUsage)
    _untold_input: int = 0
    _untold_output: int = 0
    _calls: int = 0
    _error: tuple[str, str] | None = None
    _errors: int = 0
    _warned_at: int | None = None

    @property
    def output_left(self) -> int | None:
        """How many tokens the model may still write; None for no limit."""
        if self.max_output_tokens is None:
            return None
        return self.max_output_tokens - self.usage.output_tokens - self._untold_output

    @property
    def last_step(self) -> bool:
        """Whether the model must answer now, with what there is."""
        return self.usage.steps >= self.max_steps - 1

    def admits_call(self) -> bool:
        """Count another call of the server's tools; whether it may be run."""
        self._calls += 1
        return self.max_tool_calls is None or self._calls <= self.max_tool_calls

    @property
    def offers_tools(self) -> bool:
        """Whether the server's tools are still offered."""
        return not self.last_step and (self.max_tool_calls is None or self._calls < self.max_tool_calls)

    def count(self, tokens: Tokens | None, pieces: int, chars: int) -> None:
        """Add the cost of a model call.

        Args:
            tokens: what the model server tells of it. If it tells nothing, the guards go by a guess, which is never
                reported: a token for each piece of the answer, and one for four characters of the transcript.
        """
        total = self.usage
        total.steps += 1
        if tokens is None:
            total.complete = False
            self._untold_output += pieces
            self._untold_input += chars // 4
            return
        total.input_tokens += tokens.input
        total.output_tokens += tokens.output
        total.cached_tokens += tokens.cached
        total.reasoning_tokens += tokens.reasoning

    def spent(self) -> Reason | None:
        """Why the turn must end before another model call, if it must."""
        if self.output_left is not None and self.output_left <= 0:
            return "length"
        if self.usage.total_tokens + self._untold_input + self._untold_output >= self.max_tokens:
            return "max_tokens"
        if self.usage.steps >= self.max_steps:
            return "max_steps"
        return None

    def note_error(self, error: tuple[str, str] | None) -> str | None:
        """Take what a call's code raised; returns what to tell the model of it, if anything."""
        if error is None or error != self._error:
            self._error, self._errors, self._warned_at = error, 0, None
        self._errors += error is not None
        if self._errors >= _SAME_ERRORS and self._warned_at is None:
            self._warned_at = self.usage.steps
            return (
                f"[this is the same error {_SAME_ERRORS} times in a row; "
                "do something else, or answer with what you have: once more ends the turn]"
            )
        return None

    @property
    def stuck(self) -> bool:
        """Whether the model has been told that it repeats itself, and does it again."""
        return self._warned_at is not None and self._errors > _SAME_ERRORS and self.usage.steps > self._warned_at


class TurnFailed(Exception):
    """Raised when a turn cannot go on: the model server failed, or anything else.

    Args:
        error: what went wrong.
        usage: the tokens that were used all the same.
        code_ran: whether any code ran, so that the request must not be sent again by itself.
    """

    def __init__(self, error: Exception, usage: TurnUsage, *, code_ran: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.usage = usage
        self.code_ran = code_ran


def is_safe_to_repeat(error: Exception, *, emitted: bool) -> bool:
    """Whether a model call that broke off can be made again, unseen by anybody."""
    return isinstance(error, UpstreamFailed) and not emitted
