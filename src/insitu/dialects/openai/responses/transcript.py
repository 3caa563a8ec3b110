"""Items as a transcript in the shape of chat completions, which the turn goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....store import Item
from ....turn.answers import AnswerText
from ....turn.arguments import valid_arguments
from ....turn.events import Message
from ....turn.messages import PastStep, as_content, flat, text_part
from ....turn.step import Caller
from ....web.parameters import BadParameter
from .content import parts_of

_GIVEN = "given"


@dataclass(slots=True)
class _Step(PastStep):
    """A step; items of the same ``key`` come from the same answer of the model."""

    key: str = ""


class Transcript:
    """Reads items, one after the other.

    Args:
        names: how the model knows the tools ``python`` and ``shell``.
        caller: finds the call whose code has made a call, as far as that is known here.
    """

    def __init__(self, names: Mapping[str, str], caller: Caller) -> None:
        self.answers: dict[str, object] = {}
        self._names = names
        self._caller = caller
        self._of_code: set[str] = set()
        self._paused: set[str] = set()
        self._entries: list[_Step | Message] = []
        self._by_call: dict[str, _Step] = {}
        self._cut_off: set[str] = set()

    @property
    def open_calls(self) -> list[str]:
        """Calls of code that waited for the client when their turn ended, and have no output yet."""
        return [call_id for step in self._steps for call_id in step.unanswered if call_id in self._paused]

    def messages(self) -> list[Message]:
        """All that was said.

        Raises:
            BadParameter: if a call of a client's function has no output.
        """
        for step in self._steps:
            for call_id in [call_id for call_id in step.unanswered if call_id not in self._paused]:
                if call_id not in self._cut_off:
                    raise BadParameter("input", f"No tool output found for function call {call_id}.")
                step.forget(call_id)
        return flat(self._entries)

    def add(self, item: Item) -> None:
        """Take an item.

        Raises:
            BadParameter: if it is the output of no call.
        """
        body, call_id = item.body, _call_id(item)
        match body["type"]:
            case "message":
                self._message(item)
            case "code_interpreter_call":
                self._code(item, call_id)
            case "shell_call":
                arguments = {"commands": body["action"]["commands"]}
                self._call(item, call_id, self._names["shell"], json.dumps(arguments), "[no output is known]")
            case "shell_call_output":
                self._answer(call_id, item.private.get("told") or json.dumps(body["output"]))
            case "function_call" if self._is_of_code(item, call_id):
                self._of_code.add(call_id)
            case "function_call_output" if call_id in self._of_code:
                self.answers[call_id] = AnswerText(_output_text(body["output"]))
            case "function_call":
                self._call(item, call_id, body["name"], valid_arguments(body["arguments"]), None)
                if body.get("status") == "incomplete":
                    self._cut_off.add(call_id)
            case "function_call_output":
                self._answer(call_id, _output_text(body["output"]))

    @property
    def _steps(self) -> list[_Step]:
        return [entry for entry in self._entries if isinstance(entry, _Step)]

    def _message(self, item: Item) -> None:
        role = "system" if item.body["role"] == "developer" else item.body["role"]
        content = as_content(parts_of(item.body["content"]))
        if role != "assistant":
            self._entries.append({"role": role, "content": content})
        elif content:
            said = [text_part(content)] if isinstance(content, str) else content
            self._entries.append(_Step(said, key=item.private.get("step") or ""))

    def _code(self, item: Item, call_id: str) -> None:
        told = None if _has_paused(item) else _told(item)
        if call_id in self._paused:  # one that goes on is told again
            if told is not None:
                self._by_call[call_id].told[call_id] = told
            return
        if told is None:
            self._paused.add(call_id)
        arguments = json.dumps({"code": item.body.get("code") or ""})
        self._call(item, call_id, self._names["python"], arguments, told)

    def _is_of_code(self, item: Item, call_id: str) -> bool:
        caller = self._caller(call_id)
        if caller is not None and caller.id not in self._by_call:  # of its code the client sends nothing back
            self._paused.add(caller.id)
            self._call(item, caller.id, self._names["python"], valid_arguments(caller.arguments), None)
        given = item.body.get("caller")
        return caller is not None or (given is not None and given.get("type") == "program")

    def _call(self, item: Item, call_id: str, name: str, arguments: str, told: str | None) -> None:
        step = self._step_of(item.private.get("step") or _GIVEN)
        step.call(call_id, name, arguments)
        if told is not None:
            step.told[call_id] = told
        self._by_call[call_id] = step

    def _step_of(self, key: str) -> _Step:
        last = self._entries[-1] if self._entries else None
        # What a client puts together itself belongs together as long as no output stands between.
        if isinstance(last, _Step) and last.key == key and (key != _GIVEN or last.is_open):
            return last
        self._entries.append(step := _Step(key=key))
        return step

    def _answer(self, call_id: str, told: str) -> None:
        step = self._by_call.get(call_id)
        if step is None:
            raise BadParameter("input", f"No tool call found for function call output with call_id {call_id}.")
        step.told[call_id] = told


def _call_id(item: Item) -> str:
    ours = item.body.get("insitu") or {}
    return str(item.private.get("call_id") or item.body.get("call_id") or ours.get("call_id") or item.id)


def _has_paused(item: Item) -> bool:
    return item.body.get("status") == "in_progress" and "told" not in item.private


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
