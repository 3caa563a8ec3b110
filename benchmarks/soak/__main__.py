"""Minutes of mixed load with random SIGKILLs against a real server: ``python -m benchmarks.soak``."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from rich.console import Console
from rich.markup import escape

from benchmarks.children import child
from benchmarks.report import write_json

from . import report
from .course import Course
from .ledger import Breach, Ledger, now
from .serving import serving

_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 if anything was not as it has to be."""
    asked = _parse(arguments)
    console = Console()

    def on_breach(breach: Breach) -> None:
        console.print(f"{breach.at:7.1f} s  {breach.kind}: {escape(breach.what)}", style="red", highlight=False)

    ledger = Ledger(on_breach)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="insitu-soak-")))
        model = stack.enter_context(child("soak.script"))
        server = stack.enter_context(serving(folder, "--upstream", f"http://127.0.0.1:{model}/v1"))
        console.print(f"seed {asked.seed}, {asked.seconds:g} s, server {server.pid}", highlight=False)

        def on_phase(phase: str) -> None:
            console.print(f"{now() - ledger.begun:7.1f} s  {phase}", highlight=False)

        course = Course(server, ledger, asked.seed, asked.seconds, on_phase)
        anyio.run(course.run)
        for what in server.stop():
            ledger.breach("stop", what)
        log = server.log()
    if "Traceback" in log:
        ledger.breach("log", f"it has a traceback: {log[log.index('Traceback') :][:2000]}")
    run = report.summary(course, ledger, asked.seed, asked.seconds)
    report.show(run, log, console)
    if asked.json:
        write_json(asked.json, run)
    return 1 if ledger.breaches else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="how long it goes on, about")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1 << 32), help="what is random is drawn from this"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all numbers there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
