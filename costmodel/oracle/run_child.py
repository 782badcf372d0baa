"""The process of one tuning run: takes its job, shuts itself in, and tunes.

It imports what handles the kernel only when it is confined.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from costmodel.errors import CostModelError, InputError
from costmodel.interrupts import interrupt_on_endings
from costmodel.oracle.confine import confine
from costmodel.oracle.following import Lines
from costmodel.oracle.run_keeper import keep_apart

__all__ = ["main"]

#: Other workloads whose measurements a search begins with, and measurements of each.
_OTHERS, _EACH = 64, 48


def main(parent: str) -> None:
    """Do one job for the process of the id ``parent``, which sends it on standard input."""
    keep_apart(int(parent))
    lines = Lines()
    job = lines.job()
    try:
        _listen_to_signals()
        _limit(job)
        _seed(job)
        if job["confined"]:
            confine(Path(job["folder"]), [Path(place) for place in job["readable"]])
        lines.follow()
        from costmodel.oracle.run_tuning import tune_job

        tune_job(job, lines)
    except KeyboardInterrupt:
        lines.send({"error": "it was ended before anything was measured"})
    except MemoryError:
        lines.send({"error": f"it needs more than {job['memory_bytes'] >> 20} MiB of memory"})
    except CostModelError as error:
        lines.send({"error": _said(error)})
    except Exception as error:
        traceback.print_exc()
        lines.send({"error": f"unexpected {error!r}: this is a fault of costmodel"})


def _said(error: CostModelError) -> str:
    place = error.location if isinstance(error, InputError) else None
    message = error.message if place is None else f"{place}: {error.message}"
    return message if error.hint is None else f"{message} ({error.hint})"


def _listen_to_signals() -> None:
    """Whatever a shell had the server ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    interrupt_on_endings()


def _limit(job: Mapping[str, Any]) -> None:
    os.nice(job["nice"])
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        # What can be written, and not what compilers and networks merely map.
        (resource.RLIMIT_DATA, job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
    ):
        resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write that fails says so


def _seed(job: Mapping[str, Any]) -> None:
    """Copy what the server's store knows into the run's own, while that can be read."""
    from costmodel.store import open_store
    from costmodel.store.codec import target_from_json
    from costmodel.store.entries import TargetEntry

    target = target_from_json(*job["target"])
    with (
        open_store(Path(job["store"]), read_only=True) as source,
        open_store(Path(job["folder"], "store.sqlite")) as own,
    ):
        own.ingest(source.extract(job["workload"], target.hash, others=_OTHERS, each=_EACH))
        own.ingest([TargetEntry(target, time.time())])


if __name__ == "__main__":
    main(*sys.argv[1:])
