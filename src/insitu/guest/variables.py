"""The environment variables that every program in a sandbox finds, whether an interpreter or a command."""

from __future__ import annotations

import os
import sys

from .lockdown import HOME, WORKSPACE

# A fork must have one thread; and what is started later would make one for each processor of the host.
_ONE_THREAD = {
    "BLIS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
_PLACES = {
    "HOME": HOME,
    "USER": "user",
    "LOGNAME": "user",
    "LANG": "C.UTF-8",
    "PWD": WORKSPACE,
    "TMPDIR": "/tmp",
    "XDG_CACHE_HOME": "/tmp/.cache",
    "XDG_CONFIG_HOME": "/tmp/.config",
    "MPLCONFIGDIR": "/tmp/.matplotlib",
    "IPYTHONDIR": "/tmp/.ipython",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def for_user() -> dict[str, str]:
    """All of them; the environment's own Python comes first on the search path."""
    folders = dict.fromkeys([os.path.dirname(sys.executable), "/usr/bin", "/bin"])
    return {**_ONE_THREAD, **_PLACES, "PATH": ":".join(filter(None, folders))}


def for_zygote() -> dict[str, str]:
    """Those that an environment's packages find when they are imported."""
    return {
        **_ONE_THREAD,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "MPLCONFIGDIR": "/tmp/.matplotlib",
        "IPYTHONDIR": "/tmp/.ipython",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a thread that would not survive the fork
    }
