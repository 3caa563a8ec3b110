"""Items as a transcript in the shape of chat completions, which the turn goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....store import Item
from ....turn.arguments import valid_arguments
from ....turn.events import Message
from ..errors import BadParameter
from ..messages import one_system


@dataclass(slots=True)
class _Step:
    """What a model said in one answer, and what came of its calls."""

    key: str
    message: Message
    answers: dict[str, str | None] = field(default_factory=dict)

    def forget(self, call_id: str) -> None:
        """Leave out a call of which nobody knows what it was to be."""
        del self.answers[call_id]
        self.message["tool_calls"] = [call for call in self.message["tool_calls"] if call["id"] != call_id]
        if not self.message["tool_calls"]:
            del self.message["tool_calls"]

    def flat(self) -> list[Message]:
        tools = [{"role": "tool", "tool_call_id": id, "content": told} for id, told in self.answers.items()]
        return [self.message, *tools]


def to_messages(items: Sequence[Item], instructions: str | None, names: Mapping[str, str]) -> list[Message]:
    """The transcript of some items.

    Args:
        names: how the model knows the tools ``python`` and ``shell``.

    Raises:
        BadParameter: if a call of a client's function has no output, or an output no call.
    """
    builder = _Builder(names)
    for item in items:
        builder.add(item)
    system: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    return one_system([*system, *builder.messages()])


class _Builder:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._steps: list[_Step] = []
        self._by_call: dict[str, _Step] = {}
        self._cut_off: set[str] = set()

    def add(self, item: Item) -> None:
        body, call_id = item.body, str(item.private.get("call_id") or item.body.get("call_id") or item.id)
        match body["type"]:
            case "message":
                self._message(item)
            case "code_interpreter_call":
                arguments = {"code": body.get("code") or ""}
                self._call(item, call_id, self._names["python"], json.dumps(arguments), _told(item))
            case "shell_call":
                arguments = {"commands": body["action"]["commands"]}
                self._call(item, call_id, self._names["shell"], json.dumps(arguments), "[no output is known]")
            case "shell_call_output":
                self._answer(call_id, item.private.get("told") or json.dumps(body["output"]))
            case "function_call":
                self._call(item, call_id, body["name"], valid_arguments(body["arguments"]), None)
                if body.get("status") == "incomplete":
                    self._cut_off.add(call_id)
            case "function_call_output":
                self._answer(call_id, _output_text(body["output"]))

    def messages(self) -> list[Message]:
        for step in self._steps:
            for call_id in [call_id for call_id, told in step.answers.items() if told is None]:
                if call_id not in self._cut_off:
                    raise BadParameter("input", f"No tool output found for function call {call_id}.")
                step.forget(call_id)
        return [message for step in self._steps for message in step.flat() if _says_something(message)]

    def _message(self, item: Item) -> None:
        role = "system" if item.body["role"] == "developer" else item.body["role"]
        content = _content(item.body["content"])
        if role != "assistant" or content:
            self._steps.append(_Step(item.private.get("step") or "", {"role": role, "content": content}))

    def _call(self, item: Item, call_id: str, name: str, arguments: str, told: str | None) -> None:
        step = self._step_of(item.private.get("step") or "given")
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        step.message.setdefault("tool_calls", []).append(call)
        step.answers[call_id] = told
        self._by_call[call_id] = step

    def _step_of(self, key: str) -> _Step:
        last = self._steps[-1] if self._steps else None
        # What a client puts together itself belongs together as long as no output stands between.
        open_end = key != "given" or (last is not None and None in last.answers.values())
        if last is None or last.key != key or last.message["role"] != "assistant" or not open_end:
            last = _Step(key, {"role": "assistant", "content": ""})
            self._steps.append(last)
        return last

    def _answer(self, call_id: str, told: str) -> None:
        step = self._by_call.get(call_id)
        if step is None:
            raise BadParameter("input", f"No tool call found for function call output with call_id {call_id}.")
        step.answers[call_id] = told


def _says_something(message: Message) -> bool:
    return message["role"] != "assistant" or bool(message["content"] or message.get("tool_calls"))


def _told(item: Item) -> str:
    told = item.private.get("told")
    if isinstance(told, str):
        return told
    if item.body.get("status") == "incomplete":
        return "[it was cut off, and nobody knows how far it came]"
    outputs = item.body.get("outputs")
    logs = [str(out.get("logs", "")) for out in outputs or () if isinstance(out, dict) and out.get("type") == "logs"]
    return "\n".join(logs) or "[no output is known]"


def _output_text(output: str | list[Any]) -> str:
    if isinstance(output, str):
        return output
    texts = [str(part.get("text", "")) for part in output if isinstance(part, dict)]
    return "\n".join(text for text in texts if text) or json.dumps(output)


def _content(parts: Sequence[Mapping[str, Any]]) -> Any:
    found = [_part(part) for part in parts]
    # Many a model server takes plain strings alone where there is nothing but text.
    if all(part["type"] == "text" for part in found):
        return "\n".join(part["text"] for part in found)
    return found


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "input_image":
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    if part["type"] == "input_file":
        named = {name: part[name] for name in ("file_data", "filename", "file_id") if part.get(name)}
        return {"type": "file", "file": named}
    return {"type": "text", "text": part["refusal" if part["type"] == "refusal" else "text"]}
