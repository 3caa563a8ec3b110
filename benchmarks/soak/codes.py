"""Kinds of load that are one piece of code each, in a fresh sandbox or in a session."""

from __future__ import annotations

from insitu.types import MIB

from .ledger import Round
from .load import Work

_STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
_CRASHES = {"import os; os._exit(3)": 3, "import ctypes; ctypes.string_at(0)": 139}
_RESULTS = "for _ in range(400): display('y' * 100_000)"


def _token(work: Work) -> str:
    return f"{work.random.getrandbits(64):016x}"


async def ok(work: Work, round: Round) -> None:
    """Code that is all right."""
    token = _token(work)
    execution = await work.client.run(f"print({token!r})\n1 + 1")
    round.expect(execution, "ok", stdout=f"{token}\n", exit_code=0, text=f"{token}\n2")


async def error(work: Work, round: Round) -> None:
    """An exception, and a session that outlives it."""
    async with work.session(round) as session:
        token = _token(work)
        round.expect(await session.run(f"kept = {token!r}\n1 / 0"), "error", exit_code=1, state_kept=True)
        round.expect(await session.run("kept"), "ok", text=repr(token))


async def timeout(work: Work, round: Round) -> None:
    """Code that does not end; some of it does not heed its interrupt either."""
    async with work.session(round) as session:
        token = _token(work)
        round.expect(await session.run(f"kept = {token!r}; open('kept', 'w').write(kept)"), "ok")
        stubborn = work.random.random() < 0.3
        execution = await session.run(_STUBBORN if stubborn else "while True: pass", timeout_s=0.3)
        round.expect(execution, "timeout", exit_code=124, state_kept=not stubborn)
        round.expect(await session.run("open('kept').read()" if stubborn else "kept"), "ok", text=repr(token))


async def out_of_memory(work: Work, round: Round) -> None:
    """More memory than there is."""
    async with work.session(round, memory_bytes=128 * MIB) as session:
        limited = not (await session.info()).layers["cgroups"].startswith("none")
        execution = await session.run("held = [b'x' * (32 << 20) for _ in range(64)]")
        # Without cgroups Python is refused the memory, and says so.
        round.expect(execution, "out_of_memory" if limited else "error")
        round.expect(await session.run("6 * 7"), "ok", text="42")


async def crash(work: Work, round: Round) -> None:
    """An interpreter that dies; the session and its files live on."""
    async with work.session(round) as session:
        token = _token(work)
        await session.files.write("kept", token)
        code = work.random.choice(list(_CRASHES))
        execution = await session.run(code)
        round.expect(execution, "crashed", state_kept=False)
        # Who was killed first has another; and how it ended nobody knows whose zygote was killed.
        right = execution.exit_code == _CRASHES[code] or round.struck()
        round.need(right, f"the exit code of {code!r} is {execution.exit_code}")
        round.expect(await session.run("open('kept').read()"), "ok", text=repr(token))


async def output_flood(work: Work, round: Round) -> None:
    """More output than is kept."""
    execution = await work.client.run("for _ in range(100): print('x' * 99_999)")
    round.expect(execution, "ok")
    round.need(execution.truncated.stdout, "10 MB of output were not cut")
    round.need(len(execution.stdout) < 2 * MIB, f"{len(execution.stdout)} characters of output were kept")


async def result_flood(work: Work, round: Round) -> None:
    """More results than are kept."""
    execution = await work.client.run(_RESULTS)
    round.expect(execution, "ok")
    kept = sum(len(result.text or "") for result in execution.results)
    round.need(execution.truncated.results, "40 MB of results were not cut")
    round.need(0 < kept <= 10 * MIB, f"{kept} characters of results were kept")
