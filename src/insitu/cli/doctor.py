"""`insitu doctor`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .configuration import read_settings
from .options import AsJson, Python
from .text import as_json, colour, printable

if TYPE_CHECKING:
    from insitu.isolation.process.doctor import Check

EXAMPLES = ("insitu doctor", "insitu doctor --python ~/analysis/.venv/bin/python", "insitu doctor --json")

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_WIDTH = 18


def doctor(python: Python = None, json: AsJson = False) -> int:
    """Check what sandboxes need of this machine.

    Each layer is really tried, and in the end code is run; what is missing is told with what mends it. The exit code
    is 1 if something failed; a warning is no failure.
    """
    checks = []
    for check in _checks(python):
        checks.append(check)
        if not json:
            _print(check)
    failed = sum(check.status == "fail" for check in checks)
    if json:
        print(as_json({"ok": not failed, "checks": [asdict(check) for check in checks]}))
    else:
        print(f"\n{failed} failed" if failed else "\nready")
    return 1 if failed else 0


def _checks(python: Path | None) -> Iterator[Check]:
    from insitu.isolation.process.doctor import check_machine

    machine_has_it_all = True
    for check in check_machine():
        machine_has_it_all &= check.status != "fail"
        yield check
    if sys.platform == "linux":
        from . import surroundings

        settings = read_settings({"python": python and str(python)})
        yield from surroundings.check_surroundings(settings)
        if machine_has_it_all or settings.allow_degraded:
            yield from surroundings.run_something(settings)


def _print(check: Check) -> None:
    mark = colour(check.status.ljust(4), _COLOURS[check.status], sys.stdout)
    print(f"{mark}  {check.name.ljust(_WIDTH)}  {printable(check.found)}")
    if check.status != "ok":
        for label, text in (("needed", check.needed), ("to mend", check.mend)):
            if text:
                print(f"      {label.rjust(_WIDTH)}: {printable(text)}", flush=True)
