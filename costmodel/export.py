"""Writing the winner where a compiler or a program finds it: library, schedule, program text."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from costmodel.backends.base import part_of
from costmodel.errors import CostModelError
from costmodel.records import Schedule
from costmodel.report import write_bytes, write_text
from costmodel.session import Session

__all__ = ["export_winner"]

#: Raised when a key of the schedule file changes its meaning or goes away.
FORMAT = 1
SCHEDULE = "schedule.json"


def export_winner(
    session: Session, schedule: Schedule, library: Path, out: Path
) -> tuple[dict[str, str | None], list[str]]:
    """Write the winner's files into ``out``; their paths by artifact name, and what went wrong."""
    artifacts: dict[str, str | None] = {}
    problems: list[str] = []

    def write(name: str, path: Path, content: str | bytes) -> None:
        try:
            if isinstance(content, bytes):
                write_bytes(path, content)
            else:
                write_text(path, content)
        except OSError as error:
            problems.append(f"{path} could not be written: {error.strerror or error}")
        else:
            artifacts[name] = str(path)

    backend, workload, target = session.backend, session.workload, session.target
    names = backend.file_names(schedule)
    write("library", out / names["library"], library.read_bytes())
    write("schedule", out / SCHEDULE, json.dumps(_schedule_file(session, schedule), indent=1))
    try:
        write("ir", out / names["ir"], backend.describe(workload, schedule, target))
        for artifact, (name, text) in backend.companions(workload, schedule, target).items():
            write(artifact, out / name, text)
    except CostModelError as error:  # the library is what counts, and it is there
        problems.append(f"the winner could not be described: {error.message}")
    return artifacts, problems


def _schedule_file(session: Session, schedule: Schedule) -> dict[str, Any]:
    """All that is needed to build the same kernel again, on this or on another machine."""
    return {
        "format": FORMAT,
        "workload": session.workload.hash,
        "function": session.workload.function,
        "mlir": session.workload.text,
        "target": asdict(session.target),
        "backend": schedule.backend,
        "versions": dict(part_of(session.backend, schedule).versions()),
        "schedule": json.loads(schedule.text),
    }
