"""Kinds of load that need a session: streams that are left, files, ends in the midst, and what is kept for long."""

from __future__ import annotations

import hashlib
from contextlib import aclosing

import anyio

from insitu.client import AsyncClientSession
from insitu.errors import InsituError, SandboxFailed, SessionNotFound
from insitu.types import Execution

from .ledger import Excused, Held, Round, Wrong, now
from .load import Work

_ENDLESS = "left = 7\nprint('begun', flush=True)\nimport time\nfor _ in range(3000): time.sleep(0.01)"


async def disconnect(work: Work, round: Round) -> None:
    """A client that leaves in the midst of a stream: its code is cancelled, and its state kept."""
    async with work.session(round) as session:
        async with aclosing(session.stream(_ENDLESS)) as events:
            async for event in events:
                if event.kind == "stdout":
                    break
                if event.execution is not None:
                    round.expect(event.execution, "cancelled")
        with anyio.fail_after(20):  # the code would go on for 30 seconds
            execution = await session.run("left")
        # Who has left is not told how it ended: that the interpreter died shows by what is missing.
        if execution.error and execution.error.name == "NameError" and round.struck({"interpreter"}):
            raise Excused
        round.expect(execution, "ok", text="7")


async def files(work: Work, round: Round) -> None:
    """Files up, read by code, changed by code, down, and away."""
    async with work.session(round) as session:
        content = work.random.randbytes(work.random.randrange(1, 1 << 20))
        await session.files.write("folder/in", content)
        execution = await session.run(
            "import hashlib\ndata = open('folder/in', 'rb').read()\nopen('out', 'wb').write(data[::-1])\n"
            "hashlib.sha256(data).hexdigest()"
        )
        round.expect(execution, "ok", text=repr(hashlib.sha256(content).hexdigest()))
        round.need(await session.files.read("out") == content[::-1], "a file came down otherwise than it was made")
        await session.files.delete("folder")
        left = [info.path for info in await session.files.list()]
        round.need(left == ["out"], f"after a deletion there are {left}")


async def deletion(work: Work, round: Round) -> None:
    """A session that is ended while code runs in it."""
    async with work.session(round) as session:
        ended: list[Execution | InsituError] = []

        async def run() -> None:
            try:
                ended.append(await session.run("import time; time.sleep(60)"))
            except InsituError as error:
                ended.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.sleep(work.random.uniform(0, 0.3))
            await session.close()
    [end] = ended
    if isinstance(end, Execution):
        round.expect(end, "cancelled")
    elif not isinstance(end, SessionNotFound):
        raise end


class Keeper:
    """A session that is kept for as long as it lives, with a token in a variable and one in a file."""

    def __init__(self) -> None:
        self._session: AsyncClientSession | None = None
        self._held: Held | None = None
        self._variable: str | None = None
        self._file = {""}

    async def __call__(self, work: Work, round: Round) -> None:
        """See that both are there, unless what held them was killed, and put new ones in their place."""
        try:
            await self._keep(work, round)
        except (SandboxFailed, SessionNotFound):
            if self._held is not None and self._session is not None:
                self._held.ended = now()
            self._session = self._held = None
            raise

    async def _keep(self, work: Work, round: Round) -> None:
        if self._session is None or self._held is None:
            self._variable, self._file = None, {""}
            session = await work.open_session(round)
            (self._held,) = round.held
            await session.files.write("token", "")
            self._session = session
        round.held, round.unnamed = [self._held], False
        if work.random.random() < 0.3:
            read = (await self._session.files.read("token")).decode()
            round.need(read in self._file, f"the file holds {read!r}, not {self._file}")
        token = f"{work.random.getrandbits(64):016x}"
        before = now()
        execution = await self._session.run(_renewing(token))
        try:
            round.expect(execution, "ok")
        except Excused:
            self._variable, self._file = None, self._file | {token}
            raise
        variable, _, file = execution.stdout.rstrip("\n").partition(" ")
        self._judge(round, execution, variable, file)
        self._variable, self._file, self._held.checked = token, {token}, before

    def _judge(self, round: Round, execution: Execution, variable: str, file: str) -> None:
        round.need(file in self._file, f"the file holds {file!r}, not {self._file}")
        if execution.state_kept:
            round.need(variable == str(self._variable), f"the variable is {variable}, not {self._variable}")
        elif not round.struck({"interpreter"}):
            raise Wrong("the variables are gone, and nobody has killed the interpreter")


def _renewing(token: str) -> str:
    return (
        "import os\nprint(globals().get('token'), open('token').read())\n"
        f"token = {token!r}\n"
        "with open('token.new', 'w') as new: new.write(token)\n"
        "os.replace('token.new', 'token')"
    )
