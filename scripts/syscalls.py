"""The lists of system calls: what the filter does with each."""

from __future__ import annotations

from collections.abc import Iterable
from errno import EOPNOTSUPP, errorcode

from insitu.isolation.process.seccomp import ALLOWED, ALLOWED_BY_PURPOSE, ARGUMENT_RULES, UNIMPLEMENTED
from insitu.isolation.process.syscalls import TABLES

# The rules in words, for one call or for several that share one.
_IN_WORDS = {
    "clone": "the child is the caller's own, can be traced, and is in no new namespace",
    "futex": "wait, wake and requeue; nothing that inherits priorities",
    "mmap memfd_create shmget": "no huge pages from the host's pool",
    "preadv2": "everything but to read only what the page cache holds",
    "fadvise64": "everything but to evict from the page cache: that seems to work",
    "madvise": "everything but to merge pages with equal ones",
    "personality": "to ask, or for the plain one",
    "prctl": (
        "its name, the signal at its parent's death, dumping, `no_new_privs`, slack of timers, transparent huge pages, "
        "names of memory, vector lengths, tagged addresses, shadow stacks; to ask for capabilities, secure bits, "
        "seccomp, speculation and the auxiliary vector"
    ),
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler setpriority ioprio_set": "for the caller alone",
    "prlimit64": "the caller's own limits, or to read; the one of core dumps stays, and setting it seems to work",
    "setrlimit": "all but the one of core dumps: setting that seems to work",
    "mknod mknodat": "files, FIFOs and sockets; no devices",
    "fcntl": "descriptors, flags, locks, owners, signals, sizes of pipes, seals, hints; no leases, no news of folders",
    "ioctl": (
        "close-on-exec, blocking, bytes that wait; terminals, but nothing that puts input into one; clones of files; "
        "to ask for facts of network interfaces"
    ),
    "socket socketpair": "Unix, IPv4 and IPv6; streams and datagrams, for Unix also packets in order; TCP, UDP, ICMP",
    "setsockopt": "everything but programs attached to a socket, and the kernel's TLS",
    "sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg": "no out-of-band data",
}

_NAMES = {**errorcode, EOPNOTSUPP: "EOPNOTSUPP"}  # of its two names, the one for sockets


def syscalls() -> str:
    """What is allowed, what is allowed by its arguments, and what is refused."""
    return "\n\n".join([_allowed(), _by_arguments(), _refused()])


def _allowed() -> str:
    rows = [f"| {purpose} | {_listed(names)} |" for purpose, names in ALLOWED_BY_PURPOSE.items()]
    return "\n".join([f"## Allowed: {len(ALLOWED)}\n", "| for | calls |\n|---|---|", *rows])


def _by_arguments() -> str:
    assert {name for names in _IN_WORDS for name in names.split()} == ARGUMENT_RULES.keys(), "a rule has no words"
    rows = [f"| {_listed(names.split())} | {words} | {_answers(names)} |" for names, words in _IN_WORDS.items()]
    head = f"## Allowed by their arguments: {len(ARGUMENT_RULES)}\n"
    return "\n".join([head, "| calls | what is let through | otherwise |\n|---|---|---|", *rows])


def _answers(names: str) -> str:
    numbers = {clause.errno for name in names.split() for clause in ARGUMENT_RULES[name]}
    return ", ".join(f"`{_NAMES[number]}`" for number in sorted(numbers) if number) or "nothing happens"


def _refused() -> str:
    known = frozenset().union(*TABLES.values())
    refused = known - ALLOWED - ARGUMENT_RULES.keys() - UNIMPLEMENTED
    return "\n\n".join(
        [
            f"## Refused with `EPERM`: {len(refused)}",
            _listed(refused),
            "## Refused with `ENOSYS`",
            f"{_listed(UNIMPLEMENTED)}, and every number that is in no table.",
        ]
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
