"""Google's contents as a transcript in the shape of chat completions."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...store import new_id
from ...turn.events import Message
from ...turn.tools import new_call_id
from ...web.parameters import BadParameter
from .casing import Json, has, member

MOST_PARTS = 10_000
# Each answer is looked for among all of them.
_MOST_CALLS = 256
_SIGNED = "insitu:"


@dataclass(slots=True)
class Step:
    """What the model said in one answer: text, and calls with what came of them."""

    said: list[str] = field(default_factory=list)
    calls: dict[str, Json] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    code: set[str] = field(default_factory=set)

    def messages(self) -> list[Message]:
        """The same as messages; a call of code of which nobody knows the output is left out."""
        calls = [call for id, call in self.calls.items() if id in self.outputs or id not in self.code]
        text = "".join(self.said)
        said: Message = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}
        told = [{"role": "tool", "tool_call_id": id, "content": text} for id, text in self.outputs.items()]
        return [said, *told] if text or calls else []

    def add(self, call: Json, where: str) -> None:
        """Take a call.

        Raises:
            BadParameter: if there are too many.
        """
        if len(self.calls) >= _MOST_CALLS:
            raise BadParameter(where, f"{where}: {_MOST_CALLS} calls are the most in one answer of the model")
        self.calls[call["id"]] = call

    @property
    def unanswered(self) -> list[str]:
        """The client's calls without an answer."""
        return [id for id in self.calls if id not in self.outputs and id not in self.code]


class Transcript:
    """Reads contents, one after the other.

    Args:
        python: how the model knows the tool that runs code.
    """

    def __init__(self, python: str) -> None:
        self.messages: list[Message] = []
        self._python = python
        self._open: Step | None = None

    def model(self, parts: Sequence[Json], where: str) -> None:
        """Take what the model said.

        Raises:
            BadParameter: if it is malformed, or a call of the client's before it has no answer.
        """
        self._close(where)
        step = Step()
        for index, part in enumerate(parts):
            text = part.get("text")
            if part.get("thought") is True or (has(part, "inline_data") or has(part, "file_data")):
                continue  # thoughts are the model's own, and figures were shown to the user
            if step.outputs and ((isinstance(text, str) and text) or has(part, "executable_code")) and _settled(step):
                self.messages += step.messages()
                step = Step()
            self._add(step, part, f"{where}.parts[{index}]")
        self._open = step

    def user(self, parts: Sequence[Json], content: Any, where: str) -> None:
        """Take what the user said, and the answers to the client's calls.

        Args:
            content: the other parts, as chat completions have them.
        """
        for index, part in enumerate(parts):
            if has(part, "function_response"):
                self._answer(member(part, "function_response"), f"{where}.parts[{index}].functionResponse")
        if content:
            self._close(where)
            self.messages.append({"role": "user", "content": content})

    def finish(self, where: str) -> list[Message]:
        """All messages."""
        self._close(where)
        return self.messages

    def _add(self, step: Step, part: Json, where: str) -> None:
        if has(part, "executable_code"):
            code = _object(member(part, "executable_code"), f"{where}.executableCode")
            call_id = str(code.get("id") or new_call_id())
            step.code.add(call_id)
            step.add(_call(call_id, self._python, {"code": str(code.get("code") or "")}), where)
        elif has(part, "code_execution_result"):
            result = _object(member(part, "code_execution_result"), f"{where}.codeExecutionResult")
            step.outputs[_caller(step, result, where)] = str(result.get("output") or "[no output]")
        elif has(part, "function_call"):
            called = _object(member(part, "function_call"), f"{where}.functionCall")
            call_id = str(called.get("id") or new_id("call_"))
            step.add(_call(call_id, str(called.get("name")), called.get("args") or {}), where)
        elif isinstance(text := part.get("text"), str):
            step.said.append(text)

    def _answer(self, response: Any, where: str) -> None:
        answered = _object(response, where)
        step = self._open
        if step is None or not step.unanswered:
            raise BadParameter(where, f"{where} answers no function call before it")
        given, name = answered.get("id"), answered.get("name")
        found = [
            call_id
            for call_id in step.unanswered
            if call_id == given or (not given and step.calls[call_id]["function"]["name"] == name)
        ]
        if not found:
            raise BadParameter(where, f"{where}: there is no open call of {str(given or name)[:64]!r}")
        step.outputs[found[0]] = json.dumps(answered.get("response"), ensure_ascii=False)

    def _close(self, where: str) -> None:
        step, self._open = self._open, None
        if step is None:
            return
        if step.unanswered:
            name = step.calls[step.unanswered[0]]["function"]["name"]
            raise BadParameter(where, f"{where}: the call of {name[:64]!r} before it has no functionResponse")
        self.messages += step.messages()


def _settled(step: Step) -> bool:
    return all(call_id in step.outputs for call_id in step.code)


def _caller(step: Step, result: Json, where: str) -> str:
    """Whose result it is: by its id, or by its place where a client has left ids out."""
    waiting = [call_id for call_id in step.calls if call_id in step.code and call_id not in step.outputs]
    if (given := result.get("id")) in waiting:
        return str(given)
    if not waiting:
        raise BadParameter(where, f"{where}: there is no executableCode before this result")
    return waiting[0]


def _call(call_id: str, name: str, arguments: Any) -> Json:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
    }


def _object(value: Any, where: str) -> Json:
    if not isinstance(value, dict):
        raise BadParameter(where, f"{where} must be an object")
    return value


def signature(container_id: str) -> str:
    """What a client gives back untouched with the code, and by which its sandbox is found again."""
    return base64.b64encode(f"{_SIGNED}{container_id}".encode()).decode()


def containers_of(contents: Sequence[Json]) -> list[str]:
    """Where code ran, the latest first, as far as the client has given that back."""
    found = []
    for content in reversed(contents):
        for part in reversed(content["parts"]):
            signed = member(part, "thought_signature")
            if isinstance(signed, str) and (container_id := _unsigned(signed)):
                found.append(container_id)
    return list(dict.fromkeys(found))


def _unsigned(signed: str) -> str | None:
    try:
        # Some clients send it with the letters for URLs.
        text = base64.b64decode(signed.replace("-", "+").replace("_", "/"), validate=True).decode()
    except ValueError:
        return None
    return text.removeprefix(_SIGNED) if text.startswith(_SIGNED) else None
