"""What a request for a response may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from openai.types.responses import ResponseIncludable
from pydantic import BaseModel, ConfigDict, Field

from ....web.fields import TurnOptions, either
from ....web.holding import weight
from ....web.parameters import BadParameter, Unsupported, check_finite
from ....web.shapes import Json, Metadata

Input = Annotated[str | list[Any], either(str, list, otherwise="input must be a string or a list of items")]
Choice = Annotated[str | Json, either(str, dict, otherwise="tool_choice must be a string or an object")]
ConversationId = Annotated[
    str | Json, either(str, dict, otherwise="conversation must be an id, or an object with the id")
]
# Each response repeats it, and so do the events of its beginning and of its end.
_REPEATED_BYTES = 2 << 20
# What the model server gets as it is.
_PASSED_ON = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "user",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
)


class CreateResponse(BaseModel):
    """A response to make; everything that OpenAI's clients send is known here, and nothing is ignored in silence."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    model: str = Field(min_length=1, max_length=256)
    input: Input = Field(default_factory=list)
    instructions: str | None = None
    tools: list[Json] = Field(default_factory=list, max_length=512)
    tool_choice: Choice | None = None
    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    include: list[ResponseIncludable] | None = Field(None, max_length=64)
    previous_response_id: str | None = None
    conversation: ConversationId | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    max_tool_calls: int | None = Field(None, ge=0)
    parallel_tool_calls: bool | None = None
    metadata: Metadata | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    reasoning: Json | None = None
    text: Json | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: Json | None = None
    stream_options: StreamOptions | None = None
    prompt: Json | None = None
    context_management: list[Json] | None = Field(None, max_length=64)
    moderation: Json | None = None
    insitu: TurnOptions | None = None

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it belongs to."""
        return self.conversation.get("id") if isinstance(self.conversation, dict) else self.conversation

    def check(self) -> None:
        """Refuse what is not to be had here, and what does not go together.

        Raises:
            BadParameter: if so.
        """
        for name in ("prompt", "context_management", "moderation"):
            if getattr(self, name):
                raise Unsupported(name, f"{name} is not supported: it is kept by OpenAI's own servers")
        if self.truncation == "auto":
            raise Unsupported("truncation", "truncation is not supported: what is too long is refused; leave it out")
        if self.top_logprobs or "message.output_text.logprobs" in (self.include or ()):
            raise Unsupported("top_logprobs", "logprobs are not supported; leave top_logprobs and their include out")
        if self.conversation is not None and not isinstance(self.conversation_id, str):
            raise BadParameter("conversation", "conversation has no id")
        if self.previous_response_id and self.conversation:
            raise BadParameter("previous_response_id", "previous_response_id and conversation exclude each other")
        if self.background and self.store is False:
            raise BadParameter("background", "background needs store: the response is fetched later")
        check_finite([self.upstream_options(), self.tools])
        if weight([value for name, value in self if name != "input"], _REPEATED_BYTES) > _REPEATED_BYTES:
            raise BadParameter(
                "instructions",
                f"instructions, tools and all else beside input have more than {_REPEATED_BYTES} bytes",
                hint="put what is long into the input",
            )

    def upstream_options(self) -> Json:
        """What the model server is told, under the names that chat completions have for it."""
        options: Json = {name: getattr(self, name) for name in _PASSED_ON if getattr(self, name) is not None}
        if not self.tools:
            options.pop("parallel_tool_calls", None)
        if self.reasoning and self.reasoning.get("effort"):
            options["reasoning_effort"] = self.reasoning["effort"]
        text = self.text or {}
        if text.get("verbosity"):
            options["verbosity"] = text["verbosity"]
        if (form := _response_format(text.get("format"))) is not None:
            options["response_format"] = form
        return options


class StreamOptions(BaseModel):
    """What a stream is to be like; there is no padding to leave out here."""

    model_config = ConfigDict(extra="forbid")

    include_obfuscation: bool | None = None


CreateResponse.model_rebuild()


def _response_format(form: Any) -> Json | None:
    kind = form.get("type") if isinstance(form, dict) else form
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": kind}
    if kind != "json_schema" or not isinstance(form, dict):
        raise BadParameter("text.format", "the type of text.format must be one of: text, json_object, json_schema")
    return {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}
