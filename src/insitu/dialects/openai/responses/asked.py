"""What a request for a response may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from openai.types.responses import ResponseIncludable
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from ..errors import BadParameter, Unsupported
from ..weight import weight

Json = dict[str, Any]


def _either(kind: type, other: type, otherwise: str) -> BeforeValidator:
    """Of a union pydantic would tell what is wrong with each of its parts."""

    def check(value: object) -> object:
        if not isinstance(value, kind | other):
            raise ValueError(otherwise)
        return value

    return BeforeValidator(check)


Input = Annotated[str | list[Any], _either(str, list, "input must be a string or a list of items")]
Choice = Annotated[str | Json, _either(str, dict, "tool_choice must be a string or an object")]
ConversationId = Annotated[str | Json, _either(str, dict, "conversation must be an id, or an object with the id")]
# Each response repeats it, and so do the events of its beginning and of its end.
_REPEATED_BYTES = 2 << 20
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]
MEMORY = {"1g": 1 << 30, "4g": 4 << 30, "16g": 16 << 30, "64g": 64 << 30}
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
JAVASCRIPT = (
    "programmatic tool calling runs JavaScript, and this server runs Python: "
    "give the model the code_interpreter tool instead"
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
    include: list[ResponseIncludable] | None = None
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
    context_management: list[Json] | None = None
    moderation: Json | None = None
    insitu: InsituOptions | None = None

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it belongs to."""
        return self.conversation.get("id") if isinstance(self.conversation, dict) else self.conversation

    def check(self) -> None:
        """Refuse what goes together with nothing here.

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
        try:
            json.dumps([self.upstream_options(), self.tools], allow_nan=False)
        except ValueError:
            raise BadParameter("body", "numbers must be finite: JSON has neither NaN nor infinity") from None
        if weight([value for name, value in self if name != "input"], _REPEATED_BYTES) > _REPEATED_BYTES:
            raise BadParameter(
                "instructions",
                f"instructions, tools and all else beside input have more than {_REPEATED_BYTES} bytes",
                hint="put what is long into the input",
            )

    def upstream_options(self) -> dict[str, Any]:
        """What the model server is told, under the names that chat completions have for it."""
        options: dict[str, Any] = {name: getattr(self, name) for name in _PASSED_ON if getattr(self, name) is not None}
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


class InsituOptions(BaseModel):
    """What only this server has."""

    model_config = ConfigDict(extra="forbid")

    max_steps: int | None = Field(None, ge=1, description="model calls of this turn")


CreateResponse.model_rebuild()


def _response_format(form: Any) -> dict[str, Any] | None:
    kind = form.get("type") if isinstance(form, dict) else form
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": kind}
    if kind != "json_schema" or not isinstance(form, dict):
        raise BadParameter("text.format", "the type of text.format must be one of: text, json_object, json_schema")
    return {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}


class Tools:
    """The tools of a request, sorted by who runs them.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """

    def __init__(self, tools: Sequence[Json]) -> None:
        self.python: Json | None = None
        self.shell: Json | None = None
        self.functions: list[Json] = []
        for index, tool in enumerate(tools):
            self._add(tool, f"tools[{index}]")

    @property
    def names(self) -> list[str]:
        """The names of the client's own functions."""
        return [function["function"]["name"] for function in self.functions]

    def _add(self, tool: Json, where: str) -> None:
        callers = tool.get("allowed_callers") or []
        if not isinstance(callers, list):
            raise BadParameter(f"{where}.allowed_callers", f"{where}.allowed_callers must be a list")
        if "programmatic" in callers:
            raise Unsupported(f"{where}.allowed_callers", JAVASCRIPT)
        match tool.get("type"):
            case "code_interpreter":
                self.python = container_wish(tool.get("container") or {"type": "auto"}, f"{where}.container")
            case "shell":
                self.shell = _environment(tool.get("environment") or {"type": "container_auto"}, f"{where}.environment")
            case "function":
                self.functions.append(_function(tool, where))
            case "programmatic_tool_calling":
                raise Unsupported(where, JAVASCRIPT)
            case other:
                raise Unsupported(
                    f"{where}.type",
                    f"{where}: the tool {str(other)[:64]!r} is not to be had here; "
                    "there are code_interpreter, shell and function",
                )

    def choice(self, choice: str | Json | None, names: Mapping[str, str]) -> Any:
        """The choice of a tool in the form of chat completions; may narrow the functions.

        Args:
            names: how the model knows the tools ``python`` and ``shell``.
        """
        if choice is None or choice in ("auto", "none", "required"):
            return choice
        kind = choice.get("type") if isinstance(choice, dict) else choice
        if isinstance(choice, dict) and kind == "allowed_tools":
            return self._allowed(choice)
        name = {"code_interpreter": names["python"], "shell": names["shell"]}.get(str(kind))
        if isinstance(choice, dict) and kind == "function":
            name = str(choice.get("name"))
        known = {*self.names, *([names["python"]] if self.python else []), *([names["shell"]] if self.shell else [])}
        if name not in known:
            raise BadParameter("tool_choice", f"tool_choice names no tool of this request: {str(choice)[:200]}")
        return {"type": "function", "function": {"name": name}}

    def _allowed(self, choice: Json) -> str:
        allowed = choice.get("tools")
        if not isinstance(allowed, list) or not all(isinstance(tool, dict) for tool in allowed):
            raise BadParameter("tool_choice.tools", "tool_choice.tools must be a list of tools")
        kinds = {str(tool.get("type")) for tool in allowed}
        named = {str(tool.get("name")) for tool in allowed}
        self.functions = [function for function in self.functions if function["function"]["name"] in named]
        self.python = self.python if "code_interpreter" in kinds else None
        self.shell = self.shell if "shell" in kinds else None
        return "required" if choice.get("mode") == "required" else "auto"


def container_wish(container: Any, where: str) -> Json:
    """Where code is to run: the ``id`` of a container; or the ``file_ids`` and ``memory_bytes`` of any.

    Raises:
        BadParameter: if it is malformed, or not to be had here.
    """
    if isinstance(container, str):
        return {"id": container}
    if not isinstance(container, dict) or container.get("type") not in (None, "auto"):
        raise BadParameter(where, f"{where} must be a container's id, or {{'type': 'auto'}}")
    return _auto(container, where)


def _environment(environment: Any, where: str) -> Json:
    kind = environment.get("type") if isinstance(environment, dict) else None
    if kind == "container_reference":
        return {"id": str(environment.get("container_id"))}
    if kind != "container_auto":
        raise Unsupported(where, f"{where} must be container_auto or container_reference: commands run on the server")
    return _auto(environment, where)


def _auto(asked: Json, where: str) -> Json:
    refuse_unsupported(asked.get("network_policy"), asked.get("skills"), f"{where}.")
    file_ids = asked.get("file_ids") or []
    if not isinstance(file_ids, list) or not all(isinstance(each, str) for each in file_ids):
        raise BadParameter(f"{where}.file_ids", f"{where}.file_ids must be a list of file ids")
    return {"file_ids": file_ids, "memory_bytes": memory_bytes(asked.get("memory_limit"), f"{where}.memory_limit")}


def refuse_unsupported(network_policy: Any, skills: Any, within: str = "") -> None:
    """Refuse what no container here has.

    Raises:
        Unsupported: if it is asked for.
    """
    if network_policy is not None and network_policy != {"type": "disabled"}:
        raise Unsupported(f"{within}network_policy", "sandboxes here have no network; leave network_policy out")
    if skills:
        raise Unsupported(f"{within}skills", "skills are not supported; put files into the container instead")


def memory_bytes(limit: Any, where: str) -> int | None:
    """A memory limit such as ``4g`` in bytes; None for the default."""
    if limit is None:
        return None
    if not isinstance(limit, str) or limit not in MEMORY:
        raise BadParameter(where, f"{where} must be one of: {', '.join(MEMORY)}")
    return MEMORY[limit]


def _function(tool: Json, where: str) -> Json:
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise BadParameter(f"{where}.name", f"{where}: a function must have a name")
    known = ("name", "description", "parameters", "strict")
    function = {name: tool[name] for name in known if tool.get(name) is not None}
    return {"type": "function", "function": function}
