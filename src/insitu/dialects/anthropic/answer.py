"""A message while it is made: what happens in a turn as blocks, and as the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping

from ...turn import events as on
from ...web.shapes import Json, moment, tool_called
from .ids import server_use_id
from .preparing import PreparedMessage
from .uses import ClientUse, ServerUse
from .writing import Block, Blocks, Send

_REASONS: Mapping[on.Reason, str] = {
    "stop": "end_turn",
    "client_tools": "tool_use",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "refusal",
    # Sent back as it is, the turn goes on.
    "max_steps": "pause_turn",
    "max_time": "pause_turn",
    # Sent back, it would only repeat itself.
    "repeated_error": "end_turn",
}
_GUARDS = ("max_tokens", "max_steps", "max_time", "repeated_error")
# There is nothing to sign; but clients want the member.
_SIGNATURE = "insitu"


class MessageAnswer:
    """The answer to one request.

    Args:
        id: of the message.
        send: told of each event of the stream.
    """

    def __init__(self, id: str, prepared: PreparedMessage, send: Send = lambda event: None) -> None:
        self._id = id
        self._prepared = prepared
        self._send = send
        self._blocks = Blocks(send)
        self._begun = self._ran = False
        self._text: Block | None = None
        self._pieces: list[str] = []
        self._uses: dict[str, ServerUse] = {}
        self._client_uses: dict[str, ClientUse] = {}
        self._end: Json = {"stop_reason": None, "stop_sequence": None, "container": None}
        self._usage = _usage(on.TurnUsage())

    @property
    def body(self) -> Json:
        """The message as it is now."""
        head = {"id": self._id, "type": "message", "role": "assistant", "model": self._prepared.asked.model}
        return {**head, "content": self._blocks.content, **self._end, "usage": self._usage}

    def hear(self, event: on.TurnEvent) -> None:
        """Take something that happened in the turn."""
        self._begin()
        match event:
            case on.TextDelta():
                self._said("text", event.text)
            case on.ReasoningDelta():
                if self._prepared.asked.shows_thinking:
                    self._said("thinking", event.text)
            case on.ClientCallStarted() | on.ClientCallDelta() | on.ClientCallDone():
                self._hear_client_call(event)
            case on.StepStarted() | on.CallPaused():
                self._close_text()
            case _:
                self._hear_call(event)

    async def end(self, result: on.TurnResult) -> None:
        """Take how the turn ended."""
        self._begin()
        self._close_text()
        late = result.reason == "max_time"
        for call_id, use in self._uses.items():
            if not use.done and call_id not in result.open_calls:
                code = "execution_time_exceeded" if late else "unavailable"
                use.fail(code, "the turn ended before it did")
        self._blocks.close()
        incomplete = {"insitu": {"incomplete": result.reason}} if result.reason in _GUARDS else {}
        self._end.update(stop_reason=_REASONS[result.reason], container=self._container(), **incomplete)
        self._usage = _usage(result.usage)
        self._send({"type": "message_delta", "delta": self._end, "usage": self._usage})
        self._send({"type": "message_stop"})

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        self._send({"type": "message_start", "message": self.body})
        resumption = self._prepared.turn.resumption
        for call_id, why in resumption.outputs.items() if resumption else ():
            # Of what is gone, nobody hears: a history without its result could not be gone on from.
            self._resumed(call_id).fail("unavailable", why)

    def _resumed(self, call_id: str) -> ServerUse:
        kind, use_id = self._prepared.earlier(call_id)
        return self._uses.setdefault(call_id, ServerUse(self._blocks, kind, use_id, resumed=True))

    def _said(self, kind: str, text: str) -> None:
        if self._text is not None and self._text.body["type"] != kind:
            self._close_text()
        if self._text is None:
            signed = {"signature": ""} if kind == "thinking" else {}
            self._text = self._blocks.add({"type": kind, kind: "", **signed})
        self._pieces.append(text)
        self._text.delta({"type": f"{kind}_delta", kind: text})

    def _close_text(self) -> None:
        block, self._text = self._text, None
        pieces, self._pieces = self._pieces, []
        if block is None:
            return
        block.body[block.body["type"]] = "".join(pieces)
        if block.body["type"] == "thinking":
            block.body["signature"] = _SIGNATURE
            block.delta({"type": "signature_delta", "signature": _SIGNATURE})
        block.close()

    def _hear_call(self, event: on.CallStarted | on.CodeDelta | on.CallEvent) -> None:
        if isinstance(event, on.CallStarted):
            self._start(event)
            return
        use = self._uses[event.id]
        match event:
            case on.CodeDelta():
                use.code(event.text)
            case on.CallWritten():
                use.written(event.arguments)
            case on.CallRunning():
                self._ran = True
            case on.CallDone():
                use.end(event)
            case on.OutputDelta():
                self._tell("insitu.output.delta", use, stream=event.stream, delta=event.text)
            case on.ToolCalled():
                self._tell("insitu.tool_call", use, **tool_called(event))

    def _start(self, event: on.CallStarted) -> None:
        self._close_text()
        if event.resumed:
            self._resumed(event.id)
        else:
            use_id = server_use_id(event.id, event.container_id)
            self._uses[event.id] = ServerUse(self._blocks, event.tool, use_id, resumed=False)

    def _tell(self, kind: str, use: ServerUse, **fields: object) -> None:
        # Some clients take an event that they do not know for an error.
        if self._prepared.asked.insitu.events:
            self._send({"type": kind, "tool_use_id": use.id, **fields})

    def _hear_client_call(self, event: on.ClientCallStarted | on.ClientCallDelta | on.ClientCallDone) -> None:
        match event:
            case on.ClientCallStarted():
                self._close_text()
                eager = event.name in self._prepared.tools.eager
                use = ClientUse(self._blocks, event, caller=self._caller(event.caller), eager=eager)
                self._client_uses[event.id] = use
            case on.ClientCallDelta():
                self._client_uses[event.id].more(event.text)
            case on.ClientCallDone():
                self._client_uses[event.id].end(event.arguments)

    def _caller(self, call_id: str | None) -> Json | None:
        if call_id is None:
            return None
        self._ran = True
        use = self._uses[call_id] if call_id in self._uses else self._resumed(call_id)
        return {"type": self._prepared.tools.caller, "tool_id": use.id}

    def _container(self) -> Json | None:
        container = self._prepared.container
        if container is None or not (self._ran or self._prepared.asked.container_id):
            return None
        expires = container.last_active + container.record.expires_after_s
        return {"id": container.id, "expires_at": moment(expires), "skills": None}


def _usage(used: on.TurnUsage) -> Json:
    return {
        "input_tokens": used.input_tokens - used.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"thinking_tokens": used.reasoning_tokens},
        "service_tier": "standard",
    }
