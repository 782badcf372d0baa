"""Everything in a store that can be read, in an order in which another store can take it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from costmodel.records import Measurement
from costmodel.store import scan
from costmodel.store.connection import Connection
from costmodel.store.entries import Entry, FeaturesEntry, TargetEntry, WorkloadEntry

__all__ = ["dump"]


def dump(connection: Connection, warn: Callable[[Sequence[str]], None]) -> Iterator[Entry]:
    """Workloads, targets, documents, measurements, features; ``warn`` is told of the rest.

    What belongs to a workload or target that cannot be read is left out with it.
    """
    bad: list[str] = []
    workloads: set[str] = set()
    targets: set[str] = set()
    scans: list[scan.Scan[Entry]] = [
        scan.WORKLOADS, scan.TARGETS, scan.DOCUMENTS, scan.MEASUREMENTS, scan.FEATURES,
    ]  # fmt: skip
    for each in scans:
        for entry in each(connection):
            match entry:
                case scan.Damage(sentence):
                    bad.append(sentence.rstrip("."))
                    continue
                case WorkloadEntry(workload):
                    workloads.add(workload.hash)
                case TargetEntry(target):
                    targets.add(target.hash)
                case Measurement(id=id) if entry.workload not in workloads:
                    bad.append(f"measurement {id}: its workload is missing")
                    continue
                case Measurement(id=id) if entry.target not in targets:
                    bad.append(f"measurement {id}: its target is missing")
                    continue
                case FeaturesEntry(workload=hash) if hash not in workloads:
                    bad.append(f"features of workload {hash}: it is missing")
                    continue
            yield entry
    warn(bad)
