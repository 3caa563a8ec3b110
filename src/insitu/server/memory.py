"""What the server's process does with the memory that it no longer needs."""

from __future__ import annotations

import ctypes

# Of glibc's mallopt(3).
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 256 * 1024
_ARENAS = 2


def give_back_what_is_freed() -> None:
    """Have large pieces of memory go back to the machine as soon as they are freed.

    This is for glibc, and elsewhere it does nothing. By itself glibc soon keeps pieces of up to 32 MiB, and the holes
    between them: after each coincidence of large outputs the server would stay larger than before, by some 20 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
