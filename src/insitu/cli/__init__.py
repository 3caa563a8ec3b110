"""The command line."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and exit."""
    try:
        from .main import run

        exit_code = run()
    except KeyboardInterrupt:
        exit_code = 130
    sys.exit(exit_code)
