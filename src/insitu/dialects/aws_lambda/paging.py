"""Lists in pages, as AWS's clients follow them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from .errors import invalid

# A function's name or an alias, and the number of a version; 0 for the newest revision.
Key = tuple[str, int]
Item = TypeVar("Item")

# AWS's own bound of one page, whatever is asked for.
_MOST = 50
_MARKER = re.compile(r"(\d{1,18}):([a-zA-Z0-9-_.]{1,256})")


def page(
    items: Iterable[tuple[Key, Item]], query: Mapping[str, str], *, more: bool = False
) -> tuple[list[Item], dict[str, str]]:
    """One page of a list in the order of its keys, and what leads to the next.

    Args:
        more: whether there are further items behind these.

    Raises:
        AwsError: if the query has an impossible ``MaxItems`` or ``Marker``.
    """
    after = marker_of(query)
    left = [(key, item) for key, item in sorted(items, key=lambda each: each[0]) if after is None or key > after]
    shown = left[: size_of(query)]
    if not shown or (len(shown) == len(left) and not more):
        return [item for _, item in shown], {}
    name, number = shown[-1][0]
    return [item for _, item in shown], {"NextMarker": f"{number}:{name}"}


def marker_of(query: Mapping[str, str]) -> Key | None:
    """What the page begins behind; raises AwsError for an impossible one."""
    text = query.get("Marker")
    if not text:
        return None
    found = _MARKER.fullmatch(text)
    if found is None:
        raise invalid(f"Marker is {text[:100]!r}, which no answer of this server has given")
    return found[2], int(found[1])


def size_of(query: Mapping[str, str]) -> int:
    """How many items a page has at the most; raises AwsError for an impossible number."""
    text = query.get("MaxItems")
    if text is None:
        return _MOST
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= 10_000:
        raise invalid(f"MaxItems is {text[:100]!r}; it must be a number from 1 to 10000")
    return min(int(text), _MOST)
