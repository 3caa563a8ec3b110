"""A search of all that code can read for what it must not: canaries, which share their first half."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from textwrap import dedent
from typing import Any

WAYS = ("memory", "objects", "environment", "descriptors", "proc", "files")
# The first half of every canary. A search for it finds none that was not planted: the programs have the halves apart.
HALF = secrets.token_hex(12)
OWN = secrets.token_hex(8)
_NUMBERS = 1 << 16


def canary() -> str:
    """A secret to plant."""
    return HALF + secrets.token_hex(8)


# Everything is searched twice: as it is, and with a canary of the code's own in all places, which has to be found.
_SWEEP = f"""
import ctypes, gc, json, mmap, os, re, stat, sys
canaries = re.compile({HALF!r}.encode() + b"([0-9a-f]{{16}})")

def found(data):
    return {{match[1].decode() for match in canaries.finditer(data)}}

def content(path, most=1 << 20):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    data = b""
    try:
        while len(data) < most and (piece := os.read(fd, most)):  # of /proc, one call reads a page at most
            data += piece
    except OSError:
        pass  # what cannot be read on
    finally:
        os.close(fd)
    return data

def target(path):
    try:
        return os.fsencode(os.readlink(path))
    except OSError:
        return b""

def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []

def mapped(pid):
    try:
        memory = os.open(f"/proc/{{pid}}/mem", os.O_RDONLY)
    except OSError:
        return set()
    tags = set()
    for line in content(f"/proc/{{pid}}/maps").splitlines():
        at, end = (int(edge, 16) for edge in line.split()[0].split(b"-"))
        while at < end:
            try:
                piece = os.pread(memory, min(end - at, 1 << 20), at)
            except (OSError, OverflowError):
                break
            searched.append(len(piece))
            tags |= found(piece)
            at += len(piece) if at + len(piece) >= end else max(1, len(piece) - 64)
    os.close(memory)
    return tags

def memory():
    return set().union(*(mapped(pid) for pid in seen()))

def objects():
    gc.unfreeze()
    tags = set()
    for thing in gc.get_objects():
        for part in gc.get_referents(thing):
            if type(part) is str:
                tags |= found(part.encode("utf-8", "replace"))
            elif type(part) in (bytes, bytearray):
                tags |= found(part)
    return tags

def environment():
    get = ctypes.pythonapi["getenv"]
    get.restype = ctypes.c_char_p
    return found(repr(dict(os.environ)).encode()) | found(get(b"OWN") or b"")

def seen():
    return [name for name in os.listdir("/proc") if name.isdigit()]

def descriptors():
    tags = set()
    for fd in range({_NUMBERS}):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        tags |= found(target(f"/proc/self/fd/{{fd}}")) | found(content(f"/proc/self/fdinfo/{{fd}}"))
        if stat.S_ISREG(mode):
            tags |= found(os.pread(fd, 1 << 20, 0))
        if stat.S_ISDIR(mode):
            tags |= found(repr(os.listdir(fd)).encode())
    for pid in seen():
        for fd in {{*range(1 << 10), *names(f"/proc/{{pid}}/fd")}}:
            tags |= found(target(f"/proc/{{pid}}/fd/{{fd}}"))
    return tags

def proc():
    tags = set()
    for top, folders, files in os.walk("/proc"):
        for name in folders + files:
            tags |= found(os.fsencode(f"{{top}}/{{name}}")) | found(target(f"{{top}}/{{name}}"))
        for name in files:
            if name not in ("mem", "pagemap"):
                tags |= found(content(f"{{top}}/{{name}}"))
    return tags

def files():
    tags = set()
    for top, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(top, name) not in passed_over]
        for name in folders + files:
            path = os.path.join(top, name)
            tags |= found(os.fsencode(path)) | found(target(path))
            if stat.S_ISREG(os.lstat(path).st_mode):
                tags |= found(content(path))
    return tags

# What comes with the machine and with the environment, and is searched for by nobody's secret.
passed_over = {{"/proc", "/usr", "/etc/ssl", sys.prefix, sys.base_prefix, *(path for path in sys.path if path)}}
searched = []

def sweep():
    searched.clear()
    tags = {{way: sorted(globals()[way]()) for way in {WAYS!r}}}
    return [tags, sum(searched) > 1 << 22]

first = sweep()
own = "".join([{HALF!r}, {OWN!r}])
os.environ["OWN"] = own
with open(own, "w") as file:
    file.write(own)
kept = open(own, "rb")
view = mmap.mmap(kept.fileno(), 0, prot=mmap.PROT_READ)
second = sweep()
view.close(); kept.close(); os.remove(own)
print(json.dumps([first, second]))
"""
SWEEP = dedent(_SWEEP)

NOTHING: list[Any] = [{way: [] for way in WAYS}, True]
ITS_OWN: list[Any] = [{way: [OWN] for way in WAYS}, True]


def named(swept: list[Any], planted: dict[str, str]) -> list[Any]:
    """What a sweep found, with the names of the canaries in the place of what they are."""
    names = {secret.removeprefix(HALF): name for name, secret in planted.items()}
    return [[{way: _names(tags, names) for way, tags in ways.items()}, enough] for ways, enough in swept]


def _names(tags: Iterable[str], names: dict[str, str]) -> list[str]:
    return sorted(names.get(tag, tag) for tag in tags)
