"""The system calls that user code may make.

A call that is not allowed gets EPERM, one that this list does not know gets ENOSYS, so that a C library made
for a newer kernel takes its fallback, and one made for another architecture, or for x32, ends the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from errno import EAFNOSUPPORT, EINVAL, ENOMEM, ENOPROTOOPT, ENOSYS, ENOTTY, EOPNOTSUPP, EPERM, EPROTONOSUPPORT
from types import MappingProxyType
from typing import TypeAlias

WORD = 0xFFFFFFFF
_NO_ERROR = 0


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED_BY_PURPOSE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reading and writing": _names("""
            read write readv writev pread64 pwrite64 preadv pwritev pwritev2 lseek close close_range
            dup dup2 dup3 pipe pipe2 sendfile copy_file_range fsync fdatasync sync_file_range truncate
            ftruncate fallocate readahead flock
        """),
        # No splice, tee or vmsplice: pages shared by pipes and files made DirtyPipe, and callers fall back.
        # No sync or syncfs: they flush the host's disks, for everyone.
        "files and folders": _names("""
            open openat openat2 creat access faccessat faccessat2 stat lstat fstat newfstatat statx statfs
            fstatfs getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir rename renameat renameat2
            link linkat symlink symlinkat readlink readlinkat unlink unlinkat chmod fchmod fchmodat fchmodat2
            chown fchown lchown fchownat umask utime utimes utimensat futimesat
            getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat
            setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
        """),
        "memory": _names("""
            brk munmap mremap mprotect msync mincore mlock mlock2 mlockall munlock munlockall mseal
            pkey_alloc pkey_free pkey_mprotect map_shadow_stack membarrier
        """),
        "processes and threads": _names("""
            fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid
            getpgid setpgid getpgrp getsid setsid set_tid_address set_robust_list rseq arch_prctl
            futex_wait futex_wake futex_waitv futex_requeue pidfd_open
        """),
        # Whom a signal reaches is bounded by the pid namespace and by Landlock.
        "signals": _names("""
            kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal rt_sigaction rt_sigprocmask
            rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack signalfd signalfd4 pause
            restart_syscall
        """),
        "time": _names("""
            time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer setitimer
            timer_create timer_delete timer_getoverrun timer_gettime timer_settime
            timerfd_create timerfd_gettime timerfd_settime times
        """),
        # No inotify: on files that sandboxes share it tells one what the others open.
        "waiting for events": _names("""
            poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
            epoll_pwait2 eventfd eventfd2
        """),
        "sockets": _names("""
            bind listen accept accept4 connect shutdown getsockname getpeername getsockopt
        """),
        "System V and POSIX queues, semaphores and shared memory": _names("""
            shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
            mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
        """),
        "scheduling, to look at": _names("""
            sched_yield sched_getaffinity sched_getattr sched_getparam sched_getscheduler
            sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority ioprio_get
            getcpu
        """),
        # Without capabilities, changing an identity can only choose among those that the process has.
        "identity": _names("""
            getuid geteuid getresuid setuid setreuid setresuid setfsuid getgid getegid getresgid setgid
            setregid setresgid setfsgid getgroups setgroups capget
        """),
        "limits and facts": _names("""
            getrlimit getrusage sysinfo uname getrandom
        """),
    }
)

ALLOWED: frozenset[str] = frozenset().union(*ALLOWED_BY_PURPOSE.values())

# ENOSYS instead of EPERM, for what callers do without when the kernel lacks it. clone3 hides its flags from a
# filter behind a pointer: libc takes clone. libnuma and its like take a refused get_mempolicy for an error.
UNIMPLEMENTED: frozenset[str] = frozenset({"clone3", "get_mempolicy"})


@dataclass(frozen=True)
class Check:
    """Whether one half of an argument, under a mask, is among some values.

    The lower half is all that the kernel reads of an ``int``. ``expected`` false turns the answer round.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = WORD
    expected: bool = True
    upper_half: bool = False


@dataclass(frozen=True)
class Clause:
    """Asks that one of its checks holds; otherwise the call gets ``errno``, or seems to work if that is 0."""

    errno: int
    checks: tuple[Check, ...]


Rule: TypeAlias = tuple[Clause, ...]


def _is(argument: int, *values: int, mask: int = WORD) -> Check:
    return Check(argument, values, mask)


def _is_not(argument: int, *values: int) -> Check:
    return Check(argument, values, expected=False)


def _lacks(argument: int, bits: int) -> Check:
    return Check(argument, (0,), mask=bits)


def _one_of(errno: int, *checks: Check) -> Clause:
    return Clause(errno, checks)


_CLONE_NEW_NAMESPACES = 0x7E020000
# CLONE_PTRACE, CLONE_PARENT, CLONE_UNTRACED: children that are not simply the caller's own.
_CLONE_STRANGE_CHILDREN = 0x00002000 | 0x00008000 | 0x00800000

_FILE_TYPE, _NO_TYPE, _FIFO, _REGULAR, _SOCKET = 0o170000, 0, 0o010000, 0o100000, 0o140000

_UNIX, _INET, _INET6 = 1, 2, 10
_SOCKET_TYPE, _STREAM, _DATAGRAM, _SEQPACKET = 0xF, 1, 2, 5
# 1 is ICMP, of which only echo is left without SOCK_RAW; for AF_UNIX it is the family's own number.
_PROTOCOLS = (0, 1, 6, 17)
_NEW_SOCKET: Rule = (
    _one_of(EAFNOSUPPORT, _is(0, _UNIX, _INET, _INET6)),
    _one_of(EPERM, _is(1, _STREAM, _DATAGRAM, _SEQPACKET, mask=_SOCKET_TYPE)),
    # Of the internet's protocols only SCTP has it.
    _one_of(EPERM, _is(0, _UNIX), _is(1, _STREAM, _DATAGRAM, mask=_SOCKET_TYPE)),
    # Naming another protocol makes the kernel load its module.
    _one_of(EPROTONOSUPPORT, _is(2, *_PROTOCOLS)),
)

_MSG_OOB = 1


def _in_band(flags_argument: int) -> Rule:
    # Out-of-band data on Unix sockets was a way out of Chromium's sandbox (CVE-2025-38236).
    return (_one_of(EOPNOTSUPP, _lacks(flags_argument, _MSG_OOB)),)


_SOL_SOCKET, _ATTACH_BPF = 1, (26, 50, 51, 52)
_SOL_TCP, _TCP_ULP = 6, 31
_SOCKET_OPTIONS: Rule = (
    _one_of(EPERM, _is_not(1, _SOL_SOCKET), _is_not(2, *_ATTACH_BPF)),
    # TCP_ULP brings in the kernel's TLS, a module with a long list of flaws that nobody here asks for.
    _one_of(ENOPROTOOPT, _is_not(1, _SOL_TCP), _is_not(2, _TCP_ULP)),
)

_SIOCETHTOOL = 0x8946
_IOCTLS = (
    *(0x5450, 0x5451, 0x5421, 0x5452, 0x541B),  # FIONCLEX FIOCLEX FIONBIO FIOASYNC FIONREAD
    *(0x5401, 0x5402, 0x5403, 0x5404),  # TCGETS TCSETS TCSETSW TCSETSF
    *(0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),  # TCGETS2 TCSETS2 TCSETSW2 TCSETSF2: glibc 2.42
    *(0x5409, 0x540A, 0x540B, 0x5411),  # TCSBRK TCXONC TCFLSH TIOCOUTQ
    *(0x540E, 0x5422, 0x540F, 0x5410, 0x5429),  # TIOCSCTTY TIOCNOTTY TIOCGPGRP TIOCSPGRP TIOCGSID
    *(0x5413, 0x5414),  # TIOCGWINSZ TIOCSWINSZ
    *(0x80045430, 0x40045431, 0x80045439, 0x5441),  # TIOCGPTN TIOCSPTLCK TIOCGPTLCK TIOCGPTPEER
    *(0x40049409, 0x4020940D),  # FICLONE FICLONERANGE: pathlib's copy() does not take ENOTTY for an answer
    *(0x8910, 0x8912, 0x8913, 0x8915),  # SIOCGIFNAME SIOCGIFCONF SIOCGIFFLAGS SIOCGIFADDR
    *(0x8917, 0x8919, 0x891B, 0x891D),  # SIOCGIFDSTADDR SIOCGIFBRDADDR SIOCGIFNETMASK SIOCGIFMETRIC
    *(0x8921, 0x8927, 0x8933, 0x8942),  # SIOCGIFMTU SIOCGIFHWADDR SIOCGIFINDEX SIOCGIFTXQLEN
)

# F_SETLEASE (1024) and F_NOTIFY (1026) reach out to whoever else opens a file of the host.
_FCNTLS = (*range(12), 15, 16, 36, 37, 38, 1027, 1028, *range(1030, 1037))

_PRCTLS = (
    *(1, 2, 3, 4),  # PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE
    *(15, 16, 38, 39),  # PR_SET_NAME PR_GET_NAME PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS
    *(21, 23, 27, 52),  # PR_GET_SECCOMP PR_CAPBSET_READ PR_GET_SECUREBITS PR_GET_SPECULATION_CTRL
    *(29, 30, 41, 42),  # PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_SET_THP_DISABLE PR_GET_THP_DISABLE
    *(50, 51, 63, 64),  # PR_SVE_SET_VL PR_SVE_GET_VL PR_SME_SET_VL PR_SME_GET_VL
    *(55, 56),  # PR_SET_TAGGED_ADDR_CTRL PR_GET_TAGGED_ADDR_CTRL
    *(74, 75, 76),  # PR_GET_SHADOW_STACK_STATUS PR_SET_SHADOW_STACK_STATUS PR_LOCK_SHADOW_STACK_STATUS
    *(0x53564D41, 0x41555856),  # PR_SET_VMA PR_GET_AUXV
)

# WAIT WAKE, REQUEUE CMP_REQUEUE WAKE_OP, WAIT_BITSET WAKE_BITSET. What is left out is priority inheritance:
# the part of futex that kernels were broken through; on ENOSYS, libc says that it is not supported.
_FUTEX_OPERATION, _FUTEXES = 0xFFFFFE7F, (0, 1, 3, 4, 5, 9, 10)

_MADV_MERGEABLE = 12

# What the page cache holds of files that all sandboxes share tells what others read: one flag asks, one advice evicts.
_RWF_NOWAIT, _POSIX_FADV_DONTNEED = 8, 4

# Huge pages come from a pool of the host's that no limit of memory counts. The errors are those of an empty pool.
_MAP_HUGETLB, _MFD_HUGETLB, _SHM_HUGETLB = 0x40000, 0x4, 0o4000

# It is 1 and stays so: 0 would have a core_pattern that is a pipe start the host's program for core dumps. Setting it
# seems to work, since programs that turn core dumps off give up where they cannot, and there are none anyway.
_RLIMIT_CORE = 4
_NOT_CORE = _is_not(1, _RLIMIT_CORE)

# The process that watches over user code is in reach of these calls where it has the same user.
_ON_ITSELF: Rule = (_one_of(EPERM, _is(0, 0)),)

# Each costs its call some 50 ns: for a number that it always allows, the kernel does not run the program.
ARGUMENT_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "clone": (_one_of(EPERM, _lacks(0, _CLONE_NEW_NAMESPACES | _CLONE_STRANGE_CHILDREN)),),
        "futex": (_one_of(ENOSYS, _is(1, *_FUTEXES, mask=_FUTEX_OPERATION)),),
        "mmap": (_one_of(ENOMEM, _lacks(3, _MAP_HUGETLB)),),
        "memfd_create": (_one_of(ENOMEM, _lacks(1, _MFD_HUGETLB)),),
        "shmget": (_one_of(ENOMEM, _lacks(2, _SHM_HUGETLB)),),
        "preadv2": (_one_of(EOPNOTSUPP, _lacks(5, _RWF_NOWAIT)),),
        "fadvise64": (_one_of(_NO_ERROR, _is_not(3, _POSIX_FADV_DONTNEED)),),
        # Merged pages tell by their timing what another sandbox has in memory.
        "madvise": (_one_of(EINVAL, _is_not(2, _MADV_MERGEABLE)),),
        "personality": (_one_of(EPERM, _is(0, 0, WORD)),),
        "prctl": (_one_of(EPERM, _is(0, *_PRCTLS)),),
        "sched_setaffinity": _ON_ITSELF,
        "sched_setattr": _ON_ITSELF,
        "sched_setparam": _ON_ITSELF,
        "sched_setscheduler": _ON_ITSELF,
        "setpriority": (_one_of(EPERM, _is(0, 0)), _one_of(EPERM, _is(1, 0))),
        "ioprio_set": (_one_of(EPERM, _is(0, 1)), _one_of(EPERM, _is(1, 0))),
        # Another process's limits may be read: that is, when there are no new ones.
        "prlimit64": (
            _one_of(EPERM, _is(0, 0), _is(2, 0)),
            _one_of(EPERM, _is(0, 0), Check(2, (0,), upper_half=True)),
            # Whoever asks for the old limit as well would read what nobody has written.
            _one_of(EINVAL, _NOT_CORE, _is(2, 0), _is(3, 0)),
            _one_of(_NO_ERROR, _NOT_CORE, _is(2, 0)),
            _one_of(_NO_ERROR, _NOT_CORE, Check(2, (0,), upper_half=True)),
        ),
        "setrlimit": (_one_of(_NO_ERROR, _is_not(0, _RLIMIT_CORE)),),
        "mknod": (_one_of(EPERM, _is(1, _NO_TYPE, _FIFO, _REGULAR, _SOCKET, mask=_FILE_TYPE)),),
        "mknodat": (_one_of(EPERM, _is(2, _NO_TYPE, _FIFO, _REGULAR, _SOCKET, mask=_FILE_TYPE)),),
        "fcntl": (_one_of(EINVAL, _is(1, *_FCNTLS)),),
        "ioctl": (
            # psutil takes only this answer for a network interface without such facts.
            _one_of(EOPNOTSUPP, _is_not(1, _SIOCETHTOOL)),
            _one_of(ENOTTY, _is(1, *_IOCTLS)),
        ),
        "socket": _NEW_SOCKET,
        "socketpair": _NEW_SOCKET,
        "setsockopt": _SOCKET_OPTIONS,
        "sendto": _in_band(3),
        "sendmsg": _in_band(2),
        "sendmmsg": _in_band(3),
        "recvfrom": _in_band(3),
        "recvmsg": _in_band(2),
        "recvmmsg": _in_band(3),
    }
)
