"""A run for ``test_interrupt.py`` to interrupt: prints JSON lines about what it does.

Arguments: the directory for temporary files, then kinds of candidates.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import c_backend
import psutil

from costmodel.measure.measurer import Measurer
from costmodel.records import Target, TimingPolicy


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main(directory: Path, kinds: list[str]) -> None:
    target = Target("cpu", "any", "test", (), 1, (), 16)
    policy = TimingPolicy(build_timeout_s=60, run_timeout_s=60, budget_s=0.05)
    with Measurer(
        c_backend.CBackend(), c_backend.WORKLOAD, target, policy, analysis=c_backend.ANALYSIS,
        builders=1, threads=1, seed=1, directory=directory,
    ) as measurer:  # fmt: skip
        measurer.prepare_reference()
        schedules = [c_backend.schedule(kind, number) for number, kind in enumerate(kinds)]
        try:
            for measurement in measurer.measure(schedules):
                tree = psutil.Process().children(recursive=True)
                say(yielded=measurement.outcome, processes=[child.pid for child in tree])
        except KeyboardInterrupt:
            say(interrupted=True, finished=len(measurer.finished()))
            best = measurer.library(schedules[0])
            say(library=best.exists())
    say(children=len(psutil.Process().children()), left=os.listdir(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
