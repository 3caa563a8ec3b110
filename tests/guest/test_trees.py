"""Trees of processes that do not want to be killed."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

# In a pid namespace of its own, as its first process, with /proc and a crowd: a look at all of them takes its time.
ALONE = """
    import os, signal, subprocess, sys, time
    from insitu.guest import linux, trees

    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWPID | linux.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file: file.write(text)
    if first := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
    linux.mount("proc", "/proc", "proc", 0)
    crowd = [subprocess.Popen(["sleep", "1000"]).pid for _ in range(60)]

    def start(program):
        adopt = lambda: linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdout=-1, preexec_fn=adopt)
        child.stdout.readline()
        return child

    def others():
        while True:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]: pass
            except ChildProcessError: pass
            alive = {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, *crowd}
            if len(alive) == 0 or time.monotonic() > deadline: return alive
"""
# It ignores its children's ends, so that the kernel buries them at once: there is never more of them than one or two.
HOPPING = """
    import ctypes, os, signal
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    libc = ctypes.CDLL(None)
    if os.fork() == 0:
        while True:
            if libc.fork(): libc._exit(0)
    print("in", flush=True)
    while True: signal.pause()
"""


def test_who_is_never_twice_the_same_process_is_killed_all_the_same() -> None:
    program = f"""
        for _ in range(8):
            child = start({dedent(HOPPING)!r})
            trees.kill_tree(child.pid)
            deadline = time.monotonic() + 2
            assert not others()
    """
    done = subprocess.run([sys.executable, "-c", dedent(ALONE) + dedent(program)], capture_output=True, timeout=50)
    assert (done.returncode, done.stderr.decode()) == (0, "")
