"""A cage for processes that run the code of strangers: Landlock, a system-call filter, no rights.

From ``confine`` on a process and all that it starts read and run the system's programs and those of
this installation, write in one folder, and reach neither the network nor, by a signal or a
debugger, a process outside. What Linux forbids a process by Landlock it can never get back
(landlock(7)). What Landlock does not know is forbidden by seccomp(2): sockets of every kind, of
which it knows TCP's alone, limits and priorities of other processes, and changes to the mode,
owner, times or attributes of any file.

Before Linux 6.12 signals reach processes of the same user, the server among them: a filter cannot
tell them from those between a run's own processes. See ``gaps``. On every kernel a process of the
same user can be given other cores to run on, since what a run measures needs that call: where the
system spreads the threads of a short kernel, it takes twice its time and more.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.errors import CostModelError, UsageError
from costmodel.toolchain import find_compiler

__all__ = ["check", "confine", "gaps", "landlock_version"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_PR_SET_SECCOMP, _SECCOMP_SET_MODE_FILTER = 22, 1
#: So that the filter does not switch off the processor's speculation, which slows kernels.
_SPEC_ALLOW = 4
_CAPABILITY_VERSION_3 = 0x20080522

# Rights to files, linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
#: How many of the rights each version of Landlock knows, by its number.
_RIGHTS = (0, 13, 14, 15, 15, 16)
#: The versions that know of cutting a file off by its name, and of signals.
_KNOWS_TRUNCATE, _KNOWS_SIGNALS = 3, 6
_READ = _EXECUTE | _READ_FILE | _READ_DIR
#: Bind and connect of TCP (from version 4 on); abstract sockets and signals (from 6 on).
_TCP, _SCOPES = 0b11, 0b11

#: What programs and compilers need of the system. Nobody's secrets lie there.
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/nix/store", "/gnu/store",
           "/proc", "/sys", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
           "/etc/ld.so.conf.d", "/etc/localtime", "/etc/passwd", "/etc/nsswitch.conf",
           "/etc/fonts", "/etc/ssl/openssl.cnf", "/dev/urandom", "/dev/random",
           "/dev/zero")  # fmt: skip
_WRITABLE_DEVICES = ("/dev/null",)


@dataclass(frozen=True)
class _Machine:
    """What system calls are called by on an architecture."""

    audit: int
    forbidden: tuple[int, ...]
    marks: tuple[int, ...]
    #: Calls that could be of any process of the same user, with the arguments, by their places,
    #: that make them of the caller alone.
    own: Mapping[int, Mapping[int, int]]
    truncate: int
    #: Calls from this number on are another convention's.
    limit: int = 0


# ``forbidden``: socket, ptrace, process_vm_readv and writev, add_key, request_key, keyctl,
# io_uring_setup (which makes sockets too).
#
# ``marks``: chmod, fchmod, fchmodat, fchmodat2, chown, lchown, fchown, fchownat, utime, utimes,
# futimesat, utimensat; setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr;
# setxattrat, removexattrat, file_setattr (the newer architecture has fewer of the old ones).
# Landlock asks about none of them, so that the server's keys could be made readable to all, or its
# store to nobody. Those of a descriptor are no exception: one that was opened for reading will do,
# and the programs of this installation may be read. A filter sees neither paths nor how a
# descriptor was opened, so that a run's own files are no exception either. No run needs it: SQLite
# and GNU ld go on without, and what ld links, lacking the right to be executed, can be loaded.
#
# ``own``: prlimit64, sched_setparam, sched_setscheduler, sched_setattr, all with a process id
# first; setpriority and ioprio_set, of a process (and not of a group, or of all of a user). They
# could end the server or leave it no time. sched_setaffinity is missing: the threads of IREE and
# TVM are given their cores by their ids, and a filter does not know whose those are.
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        forbidden=(41, 101, 310, 311, 248, 249, 250, 425),
        marks=(90, 91, 268, 452, 92, 94, 93, 260, 132, 235, 261, 280,
               188, 189, 190, 197, 198, 199, 463, 466, 469),
        own={302: {0: 0}, 142: {0: 0}, 144: {0: 0}, 314: {0: 0}, 141: {0: 0, 1: 0},
             251: {0: 1, 1: 0}},
        truncate=76,
        limit=0x40000000,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        forbidden=(198, 117, 270, 271, 217, 218, 219, 425),
        marks=(52, 53, 452, 55, 54, 88, 5, 6, 7, 14, 15, 16, 463, 466, 469),
        own={261: {0: 0}, 118: {0: 0}, 119: {0: 0}, 274: {0: 0}, 140: {0: 0, 1: 0},
             30: {0: 1, 1: 0}},
        truncate=45,
    ),
}  # fmt: skip


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(_libc().syscall(ctypes.c_long(number), *given))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise CostModelError(f"the process cannot be confined: {what}: {os.strerror(number)}")
    return result


def landlock_version() -> int:
    """The version of Landlock that the kernel has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, None, 0, 1))


def check() -> None:
    """Raise UsageError where processes cannot be confined."""
    if landlock_version() < 1:
        raise UsageError(
            "this kernel has no Landlock, so that code of clients could read and write all that "
            "the server can",
            hint="boot with lsm=landlock,... (Linux 5.13 or newer), or trust every client: "
            "--unconfined-tuning",
        )


def gaps() -> list[str]:
    """What this kernel does not keep a confined process from, each in words."""
    found = []
    if landlock_version() < _KNOWS_SIGNALS:
        found.append("sending signals to processes of the same user (from Linux 6.12 on it does)")
    if platform.machine() not in _MACHINES:
        found.append(
            "what a filter of system calls forbids, which does not know this processor: sockets "
            "other than TCP's, limits and priorities of other processes, modes and times of files"
        )
    return found


def confine(folder: Path, readable: Iterable[Path] = ()) -> None:
    """Confine this process for good; it writes in ``folder`` alone.

    ``readable`` is what it may read beside the system's and this installation's files. To be called
    before another thread begins, since the threads that run already would stay free. Raises
    CostModelError where the kernel refuses.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise CostModelError("only a process of one thread can be confined")
    _check(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _landlock(folder, [*map(Path, _SYSTEM), *_installation(), *readable])
    _drop_capabilities()
    _filter_calls()


def _landlock(folder: Path, readable: Sequence[Path]) -> None:
    version = landlock_version()
    known = (1 << _RIGHTS[min(version, len(_RIGHTS) - 1)]) - 1
    attributes = struct.pack(
        "=QQQ", known, _TCP if version >= 4 else 0, _SCOPES if version >= _KNOWS_SIGNALS else 0
    )
    ruleset = _check(_call(_CREATE_RULESET, attributes, len(attributes), 0), "a set of rules")
    try:
        _allow(ruleset, folder, known & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV))
        for path in dict.fromkeys(readable):
            _allow(ruleset, path, known & _READ)
        for path in _package_parents():
            _allow(ruleset, path, known & _READ_DIR)
        for name in _WRITABLE_DEVICES:
            _allow(ruleset, Path(name), known & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
        _check(_call(_RESTRICT_SELF, ruleset, 0), "its rules")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """Of what is not there nothing needs to be allowed."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if path.is_dir() else rights & _OF_FILES
        rule = struct.pack("=Qi", allowed, descriptor)
        if allowed:
            _check(_call(_ADD_RULE, ruleset, 1, rule, 0), f"a rule for {path}")
    finally:
        os.close(descriptor)


def _installation() -> list[Path]:
    """Python, what is installed for it, this package, and the C compiler."""
    found = [Path(name) for name in (sys.prefix, sys.base_prefix, sys.exec_prefix)]
    found += [Path(name) for name in sysconfig.get_paths().values()]
    found += [Path(entry) for entry in sys.path if Path(entry).name.endswith("-packages")]
    for name in ("costmodel", "costmodel.dialects"):
        spec = importlib.util.find_spec(name)
        found += [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    compiler = find_compiler()
    if compiler is not None:
        found.append(Path(compiler).resolve().parent)
    for place in [*found]:
        found.append(place.resolve())
    return [place for place in found if place != Path("/")]


def _package_parents() -> list[Path]:
    """Python lists the folders of its search path: names there are known, but no contents."""
    packages = {place.parent for place in _installation() if place.name == "costmodel"}
    return [Path(entry) for entry in sys.path if entry and Path(entry) in packages]


def _drop_capabilities() -> None:
    """Root without its capabilities is a user who owns files; others have none to drop."""
    libc = _libc()
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to those who have none
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, bytes(24)), "dropping capabilities")


def _filter_calls() -> None:
    machine = _MACHINES.get(platform.machine())
    if machine is None:  # Landlock holds there too
        return
    program = _program(machine, landlock_version())
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = ctypes.create_string_buffer(
        struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(code))
    )
    number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
    if _call(number, _SECCOMP_SET_MODE_FILTER, _SPEC_ALLOW, filter_) < 0:
        _check(_libc().prctl(_PR_SET_SECCOMP, 2, filter_, 0, 0), "a filter of system calls")


def _program(machine: _Machine, version: int) -> bytes:
    """BPF: refuse forbidden calls (EACCES) and marks (EPERM), end callers by another convention.

    ``version`` is Landlock's: what it does not forbid yet is forbidden here. Calls that may be of
    the caller alone (EPERM) have 0 for its id, as setrlimit(3) and nice(3) do; Landlock's scopes
    and the dropped capabilities know nothing of those.
    """

    def step(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
        return struct.pack("=HBBI", code, jump_true, jump_false, value)

    load, jump, equal, at_least, answer = 0x20, 0x05, 0x15, 0x35, 0x06
    allow, refuse, deny, kill = 0x7FFF0000, 0x00050000 | 13, 0x00050000 | 1, 0x80000000
    call, argument = 0, 16  # where they are; a process id is an argument's lower half
    steps = [
        step(load, 0, 0, 4),
        step(equal, 1, 0, machine.audit),
        step(answer, 0, 0, kill),
        step(load, 0, 0, call),
    ]
    if machine.limit:
        steps += [step(at_least, 0, 1, machine.limit), step(answer, 0, 0, kill)]
    for one, arguments in machine.own.items():
        left = 2 * len(arguments)
        steps.append(step(equal, 0, left + 2, one))
        for place, value in arguments.items():
            left -= 2
            steps += [step(load, 0, 0, argument + 8 * place), step(equal, 0, left + 1, value)]
        steps += [step(answer, 0, 0, allow), step(answer, 0, 0, deny)]
    truncate = () if version >= _KNOWS_TRUNCATE else (machine.truncate,)
    for calls, refusal in ((machine.forbidden + truncate, refuse), (machine.marks, deny)):
        count = len(calls)
        steps += [step(equal, count - place, 0, one) for place, one in enumerate(calls)]
        steps += [step(jump, 0, 0, 1), step(answer, 0, 0, refusal)]
    return b"".join([*steps, step(answer, 0, 0, allow)])
