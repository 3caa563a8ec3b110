"""The pieces of a model's answer: the official client hands on whatever the server sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails

# What is read of a piece, and of which type it must be if it is there; lists have their items' type.
_FIELDS: Mapping[type, Mapping[str, Any]] = {
    ChatCompletionChunk: {"choices": [Choice], "usage": CompletionUsage, "model": str},
    Choice: {"index": int, "delta": ChoiceDelta, "finish_reason": str},
    ChoiceDelta: {"content": str, "tool_calls": [ChoiceDeltaToolCall]},
    ChoiceDeltaToolCall: {"index": int, "id": str, "function": ChoiceDeltaToolCallFunction},
    ChoiceDeltaToolCallFunction: {"name": str, "arguments": str},
    CompletionUsage: {
        "prompt_tokens": int,
        "completion_tokens": int,
        "prompt_tokens_details": PromptTokensDetails,
        "completion_tokens_details": CompletionTokensDetails,
    },
    PromptTokensDetails: {"cached_tokens": int},
    CompletionTokensDetails: {"reasoning_tokens": int},
}


def is_chunk(value: object) -> bool:
    """Whether this is a piece of a chat completion; anything may be missing, as servers leave out what they like."""
    return _is(value, ChatCompletionChunk)


def first_choice(chunk: ChatCompletionChunk) -> Iterator[tuple[ChoiceDelta | None, str | None]]:
    """What a piece adds to the first choice, and why that ends, if it does: nobody asked for a second one.

    There is no delta where a server only notes something beside the answer.
    """
    return ((choice.delta, choice.finish_reason) for choice in chunk.choices or () if not choice.index)


def _is(value: object, kind: Any) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and all(_is(each, kind[0]) for each in value)
    if not isinstance(value, kind):
        return False
    fields = _FIELDS.get(kind)
    return fields is None or all(
        (field := getattr(value, name)) is None or _is(field, its) for name, its in fields.items()
    )
