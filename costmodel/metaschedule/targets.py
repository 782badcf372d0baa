"""TVM's targets and ours: theirs says what code is made, ours what it runs on."""

from __future__ import annotations

import json
from typing import Any

import tvm

from costmodel.backends.tvm.replay import tvm_target
from costmodel.backends.tvm.texts import plain
from costmodel.errors import UnsupportedError, UsageError
from costmodel.records import Target
from costmodel.target import host_target

__all__ = ["as_target", "cpu_target", "is_our_own", "machine_of", "target_text"]


def cpu_target(threads: int | None = None) -> Any:
    """TVM's target (``tvm.target.Target``) for this machine, as ``costmodel tune`` compiles for it.

    ``threads`` is by default one for each physical core. Raises UsageError for more than there are.
    """
    return tvm_target(host_target(threads))


def as_target(target: Any) -> Any:
    """A target from whatever TVM makes one of."""
    return target if isinstance(target, tvm.target.Target) else tvm.target.Target(target)


def target_text(target: Any) -> str:
    """The target as JSON that is the same for the same target."""
    fields = plain(target.export())
    fields.pop("tag", None)
    return json.dumps(fields, sort_keys=True)


def machine_of(target: Any) -> Target:
    """This machine with as many threads as the target has cores.

    Raises UnsupportedError for a target that is no CPU, UsageError for one with more cores than
    there are, or that does not say how many it has.
    """
    if str(target.kind) != "llvm":
        raise UnsupportedError(
            f"the target is of kind {target.kind}, and our workers run kernels on CPUs",
            hint="tune for 'llvm', or with MetaSchedule's own builder, runner and database",
        )
    cores = target.attrs.get("num-cores")
    if cores is None:
        raise UsageError(
            "the target does not say how many cores it has",
            hint="set 'num-cores', or take costmodel.metaschedule.cpu_target()",
        )
    return host_target(int(cores))


def is_our_own(target: Any, machine: Target) -> bool:
    """Whether the target is the one that ``costmodel tune`` compiles for."""
    return target_text(target) == target_text(tvm_target(machine))
