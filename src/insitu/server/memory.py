"""What the server's process does with the memory that it no longer needs."""

from __future__ import annotations

import ctypes
import gc

# Of glibc's mallopt(3).
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 256 * 1024
_ARENAS = 2
# By default 700, 10 and 10.
_COLLECTED_AFTER = (50_000, 20, 50)


def give_back_what_is_freed() -> None:
    """Have large pieces of memory go back to the machine as soon as they are freed.

    This is for glibc, and elsewhere it does nothing. By itself glibc soon keeps pieces of up to 32 MiB, and the holes
    between them: after each coincidence of large outputs the server would stay larger than before, by some 20 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


def collect_rarely() -> None:
    """Have the garbage collector leave alone what is there, and look at what is new less often.

    While JSON is parsed, nothing but new objects are made: by itself the collector goes through all of them, and all
    of the server, again and again, which took nine tenths of the time for a body of many small values.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
