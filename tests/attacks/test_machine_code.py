"""Ways around the filter of system calls: other entries into the kernel, other processes that call."""

from __future__ import annotations

import platform
import signal

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

# A child of its own for what may end a process; its answer is a value, or the signal that ended it.
IN_A_CHILD = """
import json, signal
def in_a_child(call):
    sys.stdout.flush()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(call()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else json.loads(said)
"""
# Machine code in memory that can be written and executed; in the lower 4 GiB, so that 32-bit code can run in it.
MACHINE_CODE = (
    IN_A_CHILD
    + """
_libc.mmap.restype = _ctypes.c_void_p
def run(code):
    place = _libc.mmap(None, _ctypes.c_size_t(4096), 7, 0x62, -1, _ctypes.c_long(0))
    assert 0 < place < 1 << 32, place
    _ctypes.memmove(place, code, len(code))
    return _ctypes.CFUNCTYPE(_ctypes.c_int)(place)()
"""
)
KILLED = -int(signal.SIGSYS)
FAULT = -int(signal.SIGSEGV)

ANYWHERE = (
    Attack(
        what="have a thread, a child or an executed program make the call that it may not make itself",
        stopped_by=Layer.SECCOMP,
        code=IN_A_CHILD
        + """
import subprocess, threading
number, seen = _numbers["unshare"], []
thread = threading.Thread(target=lambda: seen.append(syscall("unshare", 0x10000000)))
thread.start(); thread.join()
call = f"l = ctypes.CDLL(None, use_errno=True); l.syscall({number}, 0x10000000)"
program = f"import ctypes; {call}; print(ctypes.get_errno())"
told = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True).stdout
[*seen, in_a_child(lambda: syscall("unshare", 0x10000000)), _errno.errorcode[int(told)]]
""",
        answers=[["EPERM"] * 3],
    ),
)

X86 = (
    Attack(
        what="make calls by the numbers of x32, and by negative ones",
        stopped_by=Layer.SECCOMP,
        code=IN_A_CHILD
        + """
numbers = [0x40000000 + number for number in (0, 39, 101, 425, 512, 520, 547)] + [0x7FFFFFFF, 0x80000000, -1, -39]
[in_a_child(lambda: syscall(number, 0, 0, 0, 0)) for number in numbers]
""",
        answers=[[KILLED] * 11],
    ),
    Attack(
        what="call by the kernel's 32-bit entry, whose numbers differ",
        stopped_by=Layer.SECCOMP,
        code=MACHINE_CODE
        + """
# mov eax, 20 (getpid); int 0x80; ret
in_a_child(lambda: run(bytes.fromhex("b814000000 cd80 c3")))
""",
        # Where a kernel has no such entry it is a fault like any other.
        answers=[KILLED, FAULT],
    ),
    Attack(
        what="switch to 32-bit code by a far return, and call from there",
        stopped_by=Layer.SECCOMP,
        code=MACHINE_CODE
        + """
# With a stack in reach of 32 bits, a far return leads to 0x23, the segment of 32-bit code, and another back by 0x33.
def far(inner):
    code = bytes.fromhex("48 8925" + at(7, 0x800) + "48 8d25" + at(14, 0xF00) + "6a23 48 8d0503000000 50 48cb")
    code += bytes.fromhex(inner + "6a33 e800000000 83042405 cb")
    return code + bytes.fromhex("48 8b25" + at(len(code) + 7, 0x800) + "c3")
def at(here, place): return (place - here).to_bytes(4, "little").hex()
[in_a_child(lambda: run(far("b82a000000"))), in_a_child(lambda: run(far("b814000000 cd80")))]
""",
        answers=[[42, KILLED], [42, FAULT]],
    ),
    Attack(
        what="execute a 32-bit program out of memory",
        stopped_by=Layer.SECCOMP,
        code=IN_A_CHILD
        + """
import struct
code = bytes.fromhex("b801000000 bb2a000000 cd80")  # exit(42), as 32-bit programs say it
head = b"\\x7fELF\\1\\1\\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
segment = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
program = os.memfd_create("program")
os.write(program, head + segment + code)
in_a_child(lambda: attempt(os.execv, f"/proc/self/fd/{program}", ["program"]))
""",
        answers=[KILLED, "EACCES", "ENOEXEC"],
    ),
    Attack(
        what="talk to the machine's ports by hand-made code",
        stopped_by=Layer.SECCOMP,
        code=MACHINE_CODE
        + """
def out():
    asked = {syscall("iopl", 3), syscall("ioperm", 0x80, 1, 1)}
    assert asked == {"EPERM"}, asked
    run(bytes.fromhex("30c0 e680 c3"))
in_a_child(out)
""",
        answers=[FAULT],
    ),
    Attack(
        what="install segments of its own",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        entry = struct.pack("IIII", 0, 0, 0xFFFFF, 0x51)
        [*(syscall("modify_ldt", how, entry, 16) for how in (0, 1, 2, 0x11)), syscall("set_thread_area", entry)]
        """,
        answers=[["EPERM"] * 5],
    ),
)

ATTACKS = (*ANYWHERE, *(X86 if platform.machine() == "x86_64" else ()))


@tried(ATTACKS)
async def test_machine_code(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
