"""What a request for a message may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...web.fields import TurnOptions, either
from ...web.parameters import BadParameter, Unsupported, check_finite
from ...web.shapes import Json
from .errors import ThreadsUnsupported

System = Annotated[str | list[Any], either(str, list, otherwise="system must be a string or a list of blocks")]
NamedContainer = Annotated[str | Json, either(str, dict, otherwise="container must be an id, or an object with the id")]
_OPTIONS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop_sequences": "stop"}
_ELSEWHERE = ("mcp_servers", "context_management", "compaction", "fallbacks")
# The most that model servers know.
_EFFORTS = {"max": "xhigh"}


class MessageOptions(TurnOptions):
    """What only this server has."""

    events: bool = Field(False, description="whether the stream tells what running code prints and calls")


class CountTokens(BaseModel):
    """Messages whose tokens are counted."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=256)
    messages: list[Any]
    system: System | None = None
    tools: list[Json] = Field(default_factory=list, max_length=512)
    tool_choice: Json | None = None
    container: NamedContainer | None = None
    thinking: Json | None = None
    output_config: Json | None = None
    speed: Literal["standard", "fast"] | None = None
    insitu: MessageOptions = Field(default_factory=MessageOptions)
    # Hints, without effect here.
    cache_control: Json | None = None
    # What Anthropic's own servers keep or reach; named, so that it is refused with a reason.
    thread: Any = None
    mcp_servers: Any = None
    context_management: Any = None
    compaction: Any = None
    fallbacks: Any = None

    @property
    def container_id(self) -> str | None:
        """The container that it names."""
        named = self.container.get("id") if isinstance(self.container, dict) else self.container
        if not isinstance(named, str | None):
            raise BadParameter("container.id", "container.id must be a string")
        return named or None

    @property
    def shows_thinking(self) -> bool:
        """Whether the answer is to have the model's reasoning."""
        thinking = self.thinking or {}
        return thinking.get("type") != "disabled" and thinking.get("display") != "omitted"

    @property
    def output_tokens(self) -> int | None:
        """Tokens that the model may write in all; None for no limit."""
        return None

    def check(self) -> None:
        """Refuse what is not to be had here.

        Raises:
            BadParameter: if so.
        """
        if self.thread is not None:
            raise ThreadsUnsupported
        for name in _ELSEWHERE:
            if getattr(self, name):
                raise Unsupported(name, f"{name} is not supported: it is kept by Anthropic's own servers; leave it out")
        if self.speed == "fast":
            raise Unsupported("speed", "there is one speed here; leave it out")
        if isinstance(self.container, dict) and self.container.get("skills"):
            raise Unsupported("container.skills", "skills are kept by Anthropic's own servers; leave them out")
        check_finite([self.upstream_options(), self.tools])

    def upstream_options(self) -> Json:
        """What the model server is told, under the names that chat completions have for it."""
        config = self.output_config or {}
        options: Json = {}
        if (effort := config.get("effort")) is not None:
            options["reasoning_effort"] = _EFFORTS.get(str(effort), effort)
        if (form := config.get("format")) is not None:
            options["response_format"] = _response_format(form)
        if self.tools and (self.tool_choice or {}).get("disable_parallel_tool_use"):
            options["parallel_tool_calls"] = False
        return options


class CreateMessage(CountTokens):
    """A message to make; what clients send is known here, and nothing is ignored in silence."""

    max_tokens: int = Field(ge=0)
    stream: bool | None = None
    stop_sequences: list[str] | None = Field(None, max_length=1000)
    metadata: Json | None = None
    # Those of Anthropic's clients that are older than these models.
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    # Hints, without effect here.
    service_tier: str | None = None
    inference_geo: str | None = None
    diagnostics: Json | None = None

    @property
    def output_tokens(self) -> int | None:
        """Tokens that the model may write in all."""
        return self.max_tokens

    def check(self) -> None:
        """Refuse what is not to be had here.

        Raises:
            BadParameter: if so.
        """
        super().check()
        if self.max_tokens == 0:
            raise Unsupported(
                "max_tokens", "max_tokens is 0, which only warms Anthropic's own caches; ask for 1 or more"
            )

    def upstream_options(self) -> Json:
        """What the model server is told, under the names that chat completions have for it."""
        options = super().upstream_options()
        for name, theirs in _OPTIONS.items():
            if (value := getattr(self, name)) is not None:
                options[theirs] = value
        if (user := (self.metadata or {}).get("user_id")) is not None:
            options["user"] = user
        return options


def _response_format(form: Any) -> Json:
    schema = form.get("schema") if isinstance(form, dict) else None
    if schema is None or form.get("type") != "json_schema":
        where = "output_config.format"
        raise BadParameter(where, f'{where} must be {{"type": "json_schema", "schema": …}}')
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
