"""Google's contents as a transcript in the shape of chat completions, which the turn goes on from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...store import new_id
from ...turn.events import Message
from ...turn.messages import PastStep
from ...turn.tools import new_call_id
from ...web.parameters import BadParameter
from ...web.shapes import Json
from .casing import has, member
from .content import Content

# Each answer is looked for among all of them.
_MOST_CALLS = 256
# Code as the AI SDK's provider sends it back before its fourth major: as a call, and without its result.
_CODE = "code_execution"


@dataclass(slots=True)
class _Step(PastStep):
    """A step, with those of its calls of which nothing is told yet.

    Args:
        code: those of code that runs here.
        waiting: the client's, by their functions.
    """

    code: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, call_id: str, name: str, arguments: Any, where: str, *, is_code: bool = False) -> None:
        """Take a call.

        Raises:
            BadParameter: if there are too many.
        """
        if len(self.calls) >= _MOST_CALLS:
            raise BadParameter(where, f"{where}: {_MOST_CALLS} calls are the most in one answer of the model")
        self._settle(call_id)  # one of the same id is another now
        self.call(call_id, name, json.dumps(arguments, ensure_ascii=False))
        (self.code if is_code else self.waiting.setdefault(name, {}))[call_id] = None

    def tell(self, call_id: str, told: str) -> None:
        """Take what came of a call."""
        self.told[call_id] = told
        self._settle(call_id)

    def find(self, given: Any, name: Any) -> str | None:
        """A call of the client's, by its id, or the first of a function."""
        if given:
            call = self.calls.get(given) if isinstance(given, str) else None
            return given if call and given in self.waiting.get(call["function"]["name"], ()) else None
        return next(iter(self.waiting.get(name, ())), None) if isinstance(name, str) else None

    def leave_out_code(self) -> None:
        """Forget the code of which nobody knows what it has put out."""
        for call_id in (*self.code, *self.waiting.pop(_CODE, ())):
            self.forget(call_id)
        self.code.clear()

    def _settle(self, call_id: str) -> None:
        self.code.pop(call_id, None)
        if (call := self.calls.get(call_id)) and (same := self.waiting.get(name := call["function"]["name"])):
            same.pop(call_id, None)
            if not same:
                del self.waiting[name]


class Transcript:
    """Reads contents, one after the other.

    Args:
        python: how the model knows the tool that runs code.
    """

    def __init__(self, python: str, content: Content) -> None:
        self._python = python
        self._content = content
        self._messages: list[Message] = []
        self._open: _Step | None = None

    def messages(self) -> list[Message]:
        """All that was said.

        Raises:
            BadParameter: if a call of the client's has no answer.
        """
        self._close("contents")
        return self._messages

    async def add(self, said: Json, where: str) -> None:
        """Take what somebody said.

        Raises:
            BadParameter: if it is malformed, or a call of the client's before it has no answer.
            NotFound: if there is no file that it names.
        """
        if said["role"] == "model":
            self._model(said["parts"], where)
        else:
            await self._user(said["parts"], where)

    def _model(self, parts: Sequence[Json], where: str) -> None:
        self._close(where)
        step = _Step()
        for index, part in enumerate(parts):
            text = part.get("text")
            if part.get("thought") is True or (has(part, "inline_data") or has(part, "file_data")):
                continue  # thoughts are the model's own, and figures were shown to the user
            goes_on = (isinstance(text, str) and text) or has(part, "executable_code")
            if goes_on and step.told and not step.code:
                self._messages += step.messages()
                step = _Step()
            self._add(step, part, f"{where}.parts[{index}]")
        self._open = step

    async def _user(self, parts: Sequence[Json], where: str) -> None:
        content = await self._content.content(parts, where)
        for index, part in enumerate(parts):
            if has(part, "function_response"):
                self._answer(member(part, "function_response"), f"{where}.parts[{index}].functionResponse")
        if content:
            self._close(where)
            self._messages.append({"role": "user", "content": content})

    def _add(self, step: _Step, part: Json, where: str) -> None:
        if has(part, "executable_code"):
            code = _object(member(part, "executable_code"), f"{where}.executableCode")
            call_id = str(code.get("id") or new_call_id())
            step.add(call_id, self._python, {"code": str(code.get("code") or "")}, where, is_code=True)
        elif has(part, "code_execution_result"):
            result = _object(member(part, "code_execution_result"), f"{where}.codeExecutionResult")
            step.tell(_code_of(step, result, where), str(result.get("output") or "[no output]"))
        elif has(part, "function_call"):
            called = _object(member(part, "function_call"), f"{where}.functionCall")
            call_id = str(called.get("id") or new_id("call_"))
            step.add(call_id, str(called.get("name")), called.get("args") or {}, where)
        elif isinstance(text := part.get("text"), str) and text:
            step.say(text)

    def _answer(self, response: Any, where: str) -> None:
        answered = _object(response, where)
        step = self._open
        if step is None or not step.waiting:
            raise BadParameter(where, f"{where} answers no function call before it")
        given, name = answered.get("id"), answered.get("name")
        if (found := step.find(given, name)) is None:
            raise BadParameter(where, f"{where}: there is no open call of {str(given or name)[:64]!r}")
        said = answered.get("response")
        step.tell(found, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))

    def _close(self, where: str) -> None:
        step, self._open = self._open, None
        if step is None:
            return
        step.leave_out_code()
        if name := next(iter(step.waiting), None):
            raise BadParameter(where, f"{where}: the call of {name[:64]!r} before it has no functionResponse")
        self._messages += step.messages()


def _code_of(step: _Step, result: Json, where: str) -> str:
    """Whose result it is: by its id, or by its place where a client has left ids out."""
    if isinstance(given := result.get("id"), str) and given in step.code:
        return given
    if not step.code:
        raise BadParameter(where, f"{where}: there is no executableCode before this result")
    return next(iter(step.code))


def _object(value: Any, where: str) -> Json:
    if not isinstance(value, dict):
        raise BadParameter(where, f"{where} must be an object")
    return value
