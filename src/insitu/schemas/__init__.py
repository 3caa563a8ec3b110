"""JSON schemas of arguments: checked before they are kept, and safe to check with, whoever has written them.

A check runs on the event loop. So a schema holds no reference to elsewhere, no pattern that backtracks, no endless
recursion; and what it may cost is known before it begins.
"""

from __future__ import annotations

from .checking import Checker as Checker
from .checking import check_schema as check_schema
from .checking import place as place
from .costs import MOST_STEPS as MOST_STEPS
