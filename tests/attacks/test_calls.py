"""Calls of tools: of what was not granted, in the interpreter's name, without end, and beyond all bounds"""

from __future__ import annotations

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

# Frames as the interpreter writes them, and what comes back.
_CALL = """
        import json, struct
        def frame(payload): return struct.pack("<IB", len(payload), 18) + payload
        def call(number, name, arguments=b"{}"):
            return frame(struct.pack("<I", number) + b'{"name": "%s", "arguments": %s}' % (name, arguments))
        def send(data):
            view = memoryview(data)
            while view: view = view[os.write(3, view):]
        def answer():
            data = b""
            while len(data) < 5 or len(data) < 5 + int.from_bytes(data[:4], "little"): data += os.read(4, 4096)
            return json.loads(data[9:5 + int.from_bytes(data[:4], "little")])["error"]["name"]
"""

CALLS = (
    Attack(
        what="call a tool that the code was not given",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(call(1, b'search'))\n        answer()",
        answers=["LookupError"],
    ),
    Attack(
        what="call tools by the ten thousand, to hold up the server",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(call(1, b'search') * 19_000)\n        answer()",
        answers=["LookupError"],
        ends=["ok", "timeout"],
    ),
    Attack(
        what="call tools without end",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        while True: send(call(1, b'search') * 1000)",
        ends=["crashed", "timeout"],
    ),
    Attack(
        what="call with more bytes than a call has",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(call(1, b'x' * (16 << 20)))\n        import time; time.sleep(9)",
        ends=["crashed"],
    ),
    Attack(
        what="call with arguments that swell when they are read",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(call(1, b'search', b'[' + b'[],' * 300_000 + b'[]]'))\n        answer()",
        answers=["MemoryError"],
    ),
    Attack(
        what="call with arguments nested so deep that whoever reads them falls over",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(call(1, b'search', b'[' * 90_000))\n        import time; time.sleep(9)",
        ends=["crashed"],
    ),
    Attack(
        what="call with what is no call at all",
        stopped_by=Layer.HOST,
        code=f"{_CALL}        send(frame(os.urandom(5000)))\n        import time; time.sleep(9)",
        ends=["crashed"],
    ),
    Attack(
        what="call from a child that outlives the code",
        stopped_by=Layer.HOST,
        code=f"""{_CALL}
        if os.fork() == 0:
            while True: send(call(1, b'search') * 100)
        1
        """,
        answers=[1],
        ends=["ok", "crashed", "timeout"],
    ),
)


@tried(CALLS)
async def test_calls_of_tools_end_as_they_may(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
