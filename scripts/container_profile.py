"""The seccomp profile under which insitu runs in a container: what sandboxes may call, and what makes them."""

from __future__ import annotations

import json

from insitu.isolation.process.seccomp import ALLOWED, ARGUMENT_RULES, UNIMPLEMENTED

# Namespaces, mounts, and the layers that the sandboxes get: all of it in user namespaces of insitu's own.
_FOR_SANDBOXES = """
    unshare setns mount umount2 pivot_root open_tree move_mount mount_setattr openat2 sethostname capset
    seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
"""


def container_profile() -> str:
    """The profile in the form of Docker and Podman.

    Calls that sandboxes may make with some arguments only are allowed with all: the sandboxes' own filter has rules.
    """
    allowed = ALLOWED | ARGUMENT_RULES.keys() | frozenset(_FOR_SANDBOXES.split())
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [
            {"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"},
            # ENOSYS, so that libraries take the call that came before.
            {"names": sorted(UNIMPLEMENTED), "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    }
    return json.dumps(profile, indent=2) + "\n"
