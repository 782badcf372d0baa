"""What a failure in a worker means: exceptions and deaths of processes, made into outcomes."""

from __future__ import annotations

import errno
import os
import signal
import traceback
from dataclasses import dataclass
from pathlib import Path

from costmodel.errors import CostModelError, InputError
from costmodel.measure.check import WrongResultError
from costmodel.records import Outcome

__all__ = ["Death", "Failure", "describe_exception", "explain_death", "kernel_oom_kills"]

#: What runtimes print, or put into exceptions, when an allocation fails.
_ALLOCATION_FAILURES = ("bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError")

#: A dead process that had this share of its limit resident ran into the limit.
_NEAR_LIMIT = 0.75

#: Longest text of an error that is kept: compilers print whole programs.
_MAX_TEXT = 4000


@dataclass(frozen=True)
class Failure:
    """An exception in a worker, in a form that always travels between processes.

    ``bad_input`` is set where the candidate was refused rather than failed, ``disk_full`` where
    the machine and not the candidate is to blame.
    """

    message: str
    wrong_result: bool = False
    bad_input: bool = False
    out_of_memory: bool = False
    disk_full: bool = False


@dataclass(frozen=True)
class Death:
    """How a worker process ended: ``os.waitstatus_to_exitcode`` and peak resident bytes."""

    exitcode: int
    peak_bytes: int

    @property
    def killed(self) -> bool:
        return self.exitcode == -signal.SIGKILL


def clip(text: str) -> str:
    """``text`` without its middle where it is too long to keep."""
    if len(text) <= _MAX_TEXT:
        return text
    half = _MAX_TEXT // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"


def describe_exception(error: BaseException) -> Failure:
    """Message and kind of an exception; an unexpected one says where it was raised."""
    chain = _chain(error)
    text = str(error) or type(error).__name__
    if not isinstance(error, CostModelError):
        frame = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" ({Path(frame[0].filename).name}:{frame[0].lineno})" if frame else ""
        text = f"{type(error).__name__}: {text}{where}"
    full = any(
        isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT) for link in chain
    )
    return Failure(
        clip(text),
        wrong_result=isinstance(error, WrongResultError),
        bad_input=isinstance(error, InputError),
        out_of_memory=any(isinstance(link, MemoryError) for link in chain)
        or _allocation_failed(text),
        # Compilers run as programs of their own say it in words (workers have the C locale).
        disk_full=full or os.strerror(errno.ENOSPC) in text,
    )


def _chain(error: BaseException) -> list[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _allocation_failed(text: str) -> bool:
    return any(sign in text for sign in _ALLOCATION_FAILURES)


def explain_death(
    death: Death, stage: str, stderr: str, *, limit_bytes: int, oom_killed: bool
) -> tuple[Outcome, str]:
    """Outcome and error text for a worker that died by itself during ``stage``."""
    starved = (
        _allocation_failed(stderr)
        or death.peak_bytes >= _NEAR_LIMIT * limit_bytes
        or (death.killed and oom_killed)
    )
    if death.exitcode < 0:
        try:
            how = f"was killed by {signal.Signals(-death.exitcode).name}"
        except ValueError:
            how = f"was killed by signal {-death.exitcode}"
    else:
        how = f"exited with status {death.exitcode}"
    text = f"the worker process {how} during {stage}"
    if starved:
        text += f"; memory limit {limit_bytes >> 20} MiB, peak {death.peak_bytes >> 20} MiB"
    if stderr.strip():
        text += f"\n{stderr.strip()}"
    return (Outcome.OUT_OF_MEMORY if starved else Outcome.CRASH), clip(text)


def kernel_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 if unknown."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
