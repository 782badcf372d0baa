"""Which cores this process may use, and how builders and the measurer share them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.errors import UsageError

__all__ = ["CorePlan", "cpu_limit", "physical_count", "plan_cores", "usable_cores"]

_SYSFS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class CorePlan:
    """Cores of the measurer and of each builder.

    ``overlap`` is true where no builder touches a core of the measurer: building then goes on
    while measuring. Otherwise the two must take turns.
    """

    measurer: tuple[int, ...]
    builders: tuple[tuple[int, ...], ...]

    @property
    def overlap(self) -> bool:
        return not any(set(cores) & set(self.measurer) for cores in self.builders)


def cpu_limit(cgroup_root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> float:
    """Cores' worth of time that the control groups grant; infinite where nothing limits it.

    Reads version 2 (``cpu.max`` of this group and those above) and version 1 (``cfs_quota_us``).
    """
    relative = _own_cgroup() if own is None else own
    group = cgroup_root / relative.lstrip("/")
    limits = [float("inf")]
    for folder in (group, *group.parents):
        if not folder.is_relative_to(cgroup_root):
            break
        limits.append(_quota(folder))
    limits.append(_quota(cgroup_root / "cpu"))
    return min(limits)


def _own_cgroup() -> str:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _quota(folder: Path) -> float:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # absent, "max", or not a number
        return float("inf")
    return share if share > 0 else float("inf")  # version 1 says -1 for no limit


def usable_cores() -> tuple[int, ...]:
    """Logical cores by affinity and control group, one of each physical core first."""
    allowed = sorted(os.sched_getaffinity(0))
    seen: set[str] = set()
    first: list[int] = []
    second: list[int] = []
    for core in allowed:
        siblings = _siblings(core)
        (second if siblings in seen else first).append(core)
        seen.add(siblings)
    count = max(1, int(min(cpu_limit(), len(allowed))))
    return tuple([*first, *second][:count])


def physical_count(cores: Sequence[int], siblings: Callable[[int], str] | None = None) -> int:
    """How many physical cores are behind logical ones: two threads of one share its vector units.

    ``siblings`` gives the same text for cores that share one; by default as the kernel says.
    """
    return len({(siblings or _siblings)(core) for core in cores})


def _siblings(core: int) -> str:
    try:
        return (_SYSFS / f"cpu{core}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(core)


def plan_cores(
    cores: Sequence[int],
    *,
    threads: int,
    builders: int,
    siblings: Callable[[int], str] | None = None,
) -> CorePlan:
    """Share ``cores`` between one measurer of ``threads`` cores and up to ``builders`` builders.

    With cores to spare each builder gets its own, of which the measurer uses neither the core nor
    its hardware sibling (cores with the same ``siblings`` text share one physical core; default:
    as the kernel says). Without, builders use all cores and the caller alternates. Raises
    UsageError for counts that cannot be.
    """
    siblings = siblings or _siblings
    if threads < 1 or builders < 1:
        raise UsageError("threads and builders must be at least 1")
    if threads > len(cores):
        raise UsageError(
            f"{threads} threads on {len(cores)} usable cores would be timed against each other",
            hint=f"ask for at most {len(cores)} threads",
        )
    measurer = tuple(cores[:threads])
    taken = {siblings(core) for core in measurer}
    spare = tuple(core for core in cores if siblings(core) not in taken) or tuple(cores)
    count = min(builders, len(spare))
    return CorePlan(measurer, tuple((spare[index],) for index in range(count)))
