"""A chat completion while it is made: OpenAI's own members, and under ``insitu`` the steps that ran here.

``message.insitu`` is
``{"container_id", "steps": [{"id", "tool", "code", "outcome", "stdout", "stderr", "results", "error", "files",
"figures", "tools_called"}], "incomplete"}``. ``outcome`` is an execution's, or ``failed`` for code that could not be
run to its end, or ``paused`` for code that waits for the answers to the ``tool_calls``; ``results`` are texts,
``figures`` data URLs; a file is ``{"id", "container_id", "path", "size", "url"}``, with a URL on this server;
``incomplete`` names the guard that ended the turn.

A stream tells the same by ``choices[0].delta.insitu``, in pieces that add up just as those of tool calls do: strings
grow, and what has an ``index`` goes to its place. Its ``type`` says what is new:

- ``step.started``: the model begins to write code (``id``, ``tool``);
- ``code.delta``: some more of the code;
- ``output.delta``: some more of ``stdout`` or ``stderr``;
- ``tool_call``: it has called a tool, one more of ``tools_called`` (``call_id``, ``name``, ``arguments``);
- ``step.done``: ``outcome``, ``results``, ``error``, ``files`` and ``figures``;
- ``turn.done``: ``container_id`` and ``incomplete``.
"""

from __future__ import annotations

import time

from ....guest.lockdown import WORKSPACE
from ....store import new_id
from ....turn import events as on
from ....types import Execution
from ....web.shapes import Json, tool_called
from ....web.written import Written

_FINISH: dict[on.Reason, str] = {"stop": "stop", "client_tools": "tool_calls", "content_filter": "content_filter"}
_WHOLE: tuple[on.Reason, ...] = ("stop", "client_tools")


class ChatAnswer:
    """The answer to one request.

    Args:
        model: as the request names it.
        container_id: where earlier code of the conversation ran, if that is still there.
    """

    def __init__(self, model: str, container_id: str | None) -> None:
        self.id = new_id("chatcmpl-")
        self.created = int(time.time())
        self.model = model
        self.container_id = container_id
        self.calls: list[Json] = []
        self.calls_of_code: list[str] = []
        self._said = {"content": "", "reasoning_content": ""}
        self._written = Written()
        self._steps: list[Json] = []
        self._places: dict[str, int] = {}
        self._new_step = False

    def hear(self, event: on.TurnEvent) -> Json | None:
        """Take something that happened in the turn; what of it belongs into the delta of a stream."""
        self._written.hear(event)
        match event:
            case on.StepStarted():
                self._new_step = True
            case on.TextDelta():
                return {"content": self._add_text(event.text)}
            case on.ReasoningDelta():
                self._written.add(self._said, "reasoning_content", event.text)
                return {"reasoning_content": event.text}
            case on.ClientCallStarted():
                self.calls_of_code += [event.id] if event.caller is not None else []
                return self._client_call(event.id, {"name": event.name, "arguments": ""})
            case on.ClientCallDelta():
                return {"tool_calls": [{"index": self._places[event.id], "function": {"arguments": event.text}}]}
            case on.ClientCallDone():
                self.calls[self._places[event.id]]["function"]["arguments"] = event.arguments
            case _:
                return self._step(event)
        return None

    def end(self, result: on.TurnResult) -> list[Json]:
        """Take the end of the turn; the last deltas of a stream."""
        self._written.settle()
        cut = [self._ended(step, {"outcome": "cancelled"}) for step in self._steps if step["outcome"] is None]
        known = {"container_id": self.container_id, "incomplete": _incomplete(result.reason)}
        return [*cut, {"insitu": {"type": "turn.done", **known}}]

    def completion(self, result: on.TurnResult) -> Json:
        """All of it at once."""
        choice = {"index": 0, "message": self._message(result.reason), "logprobs": None}
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{**choice, "finish_reason": finish_reason(result.reason)}],
            "usage": usage(result.usage),
        }

    def _message(self, reason: on.Reason) -> Json:
        self._written.settle()
        text, reasoning = self._said["content"], self._said["reasoning_content"]
        called = self.calls if reason == "client_tools" else []
        message: Json = {"role": "assistant", "content": text or (None if called else ""), "refusal": None}
        if reasoning:
            message["reasoning_content"] = reasoning
        if called:
            message["tool_calls"] = called
        known = {"container_id": self.container_id, "steps": self._steps, "incomplete": _incomplete(reason)}
        return {**message, "insitu": known}

    def _add_text(self, text: str) -> str:
        if self._new_step and (before := self._said["content"]):
            text = "\n" * max(0, 2 - len(before) + len(before.rstrip("\n"))) + text
        self._new_step = False
        self._written.add(self._said, "content", text)
        return text

    def _client_call(self, call_id: str, function: Json) -> Json:
        index = self._places[call_id] = len(self.calls)
        self.calls.append({"id": call_id, "type": "function", "function": function})
        return {"tool_calls": [{"index": index, **self.calls[index], "function": dict(function)}]}

    def _step(self, event: on.TurnEvent) -> Json | None:
        match event:
            case on.CallStarted():
                return self._begin(event)
            case on.CodeDelta():
                self._written.add(self._steps[self._places[event.id]], "code", event.text)
                return self._delta("code.delta", event.id, {"code": event.text})
            case on.CallRunning():
                self.container_id = event.container_id
            case on.OutputDelta():
                self._written.add(self._steps[self._places[event.id]], event.stream, event.text)
                return self._delta("output.delta", event.id, {event.stream: event.text})
            case on.ToolCalled():
                return self._tool_called(event)
            case on.CallPaused():
                return self._ended(self._steps[self._places[event.id]], {"outcome": "paused"})
            case on.CallDone():
                step = self._steps[self._places[event.id]]
                step["tools_called"] = [tool_called(each) for each in event.tools_called]
                if (execution := event.execution) is not None:
                    step.update(stdout=execution.stdout, stderr=execution.stderr)
                return self._ended(step, _ending(event))
        return None

    def _begin(self, event: on.CallStarted) -> Json:
        self._places[event.id] = len(self._steps)
        begun = {"id": event.id, "tool": event.tool}
        written = {"code": "", "outcome": None, "stdout": "", "stderr": ""}
        empty: Json = {"results": [], "error": None, "files": [], "figures": [], "tools_called": []}
        self._steps.append({**begun, **written, **empty})
        return self._delta("step.started", event.id, begun)

    def _tool_called(self, event: on.ToolCalled) -> Json:
        called = self._steps[self._places[event.id]]["tools_called"]
        called.append(tool_called(event))
        return self._delta("tool_call", event.id, {"tools_called": [{"index": len(called) - 1, **called[-1]}]})

    def _ended(self, step: Json, ending: Json) -> Json:
        step.update(ending)
        return self._delta("step.done", step["id"], ending)

    def _delta(self, kind: str, call_id: str, part: Json) -> Json:
        return {"insitu": {"type": kind, "steps": [{"index": self._places[call_id], **part}]}}


def finish_reason(reason: on.Reason) -> str:
    """OpenAI's word for why a turn ended; at a guard of this server's it is as if the answer were too long."""
    return _FINISH.get(reason, "length")


def usage(used: on.TurnUsage) -> Json | None:
    """The tokens of all model calls; None if the model server has told nothing."""
    if not used.complete and not used.total_tokens:
        return None
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens, "audio_tokens": 0},
    }


def _incomplete(reason: on.Reason) -> str | None:
    return None if reason in _WHOLE else reason


def _ending(event: on.CallDone) -> Json:
    return {
        **(_outcome(event.execution) if event.execution and event.failure is None else _failure(event.failure)),
        "files": [_file(file) for file in event.files[: on.MOST_FILES]],
        "figures": [f"data:image/png;base64,{figure}" for figure in event.figures],
    }


def _outcome(execution: Execution) -> Json:
    error = execution.error
    return {
        "outcome": execution.outcome,
        "results": [result.text for result in execution.results if result.text is not None],
        "error": {"name": error.name, "value": error.value, "traceback": error.traceback} if error else None,
    }


def _failure(why: str | None) -> Json:
    return {"outcome": "failed", "results": [], "error": {"name": "not run", "value": why, "traceback": ""}}


def _file(file: on.MadeFile) -> Json:
    return {
        "id": file.id,
        "container_id": file.container_id,
        "path": f"{WORKSPACE}/{file.path}",
        "size": file.size,
        "url": f"/v1/containers/{file.container_id}/files/{file.id}/content",
    }
