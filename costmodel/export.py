"""Writing the winner where a compiler or a program finds it: library, schedule, program text.

And building it again from the schedule file alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from costmodel.backends.base import Backend, Releases, part_of
from costmodel.backends.registry import load
from costmodel.errors import CostModelError, UsageError
from costmodel.ir import read_text
from costmodel.records import Schedule, Target
from costmodel.report import PLOT, REPORT, write_bytes, write_text
from costmodel.session import Session

__all__ = ["export_winner", "rebuild"]

#: Raised when a key of the schedule file changes its meaning or goes away.
FORMAT = 1
SCHEDULE = "schedule.json"


def export_winner(
    session: Session, schedule: Schedule, library: Path, out: Path, *, program: str | None = None
) -> tuple[dict[str, str | None], list[str]]:
    """Write the winner's files into ``out``; their paths by artifact name, and what went wrong.

    ``program`` is its text, if it is not the one that the backend describes.
    """
    artifacts: dict[str, str | None] = {}
    problems: list[str] = []

    def write(name: str, path: Path, content: str | bytes) -> None:
        try:
            if isinstance(content, bytes):
                write_bytes(path, content)
            else:
                write_text(path, content if content.endswith("\n") else content + "\n")
        except OSError as error:
            problems.append(f"{path} could not be written: {error.strerror or error}")
        else:
            artifacts[name] = str(path)

    backend, workload, target = session.backend, session.workload, session.target
    names = backend.file_names(schedule)
    write("library", out / names["library"], library.read_bytes())
    write("schedule", out / SCHEDULE, json.dumps(_schedule_file(session, schedule), indent=1))
    try:
        program = program or backend.describe(workload, schedule, target)
        write("ir", out / names["ir"], program)
        for artifact, (name, text) in backend.companions(workload, schedule, target).items():
            write(artifact, out / name, text)
    except CostModelError as error:  # the library is what counts, and it is there
        problems.append(f"the winner could not be described: {error.message}")
    _remove_stale(out, artifacts)
    return artifacts, problems


def _remove_stale(out: Path, artifacts: Mapping[str, str | None]) -> None:
    """Remove what an earlier run left in ``out``, by its report, and this one does not replace.

    Another backend's library beside this one's schedule would be taken for the tuned one.
    """
    try:
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
        listed = report.get("files", report["artifacts"])
        earlier = [Path(path) for path in listed.values() if path]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    kept = {Path(path).name for path in artifacts.values() if path} | {REPORT, PLOT}
    for path in earlier:
        # An oracle's run names its files without a directory.
        if path.name not in kept and path.parent.name in ("", out.name):
            with contextlib.suppress(OSError):
                (out / path.name).unlink()


def _schedule_file(session: Session, schedule: Schedule) -> dict[str, Any]:
    """All that is needed to build the same kernel again, on this or on another machine."""
    return {
        "format": FORMAT,
        "workload": session.workload.hash,
        "function": session.workload.function,
        "mlir": session.workload.text,
        "target": asdict(session.target),
        "backend": schedule.backend,
        "whole_model": getattr(session.backend, "takes_models", False),
        "versions": dict(part_of(session.backend, schedule).versions()),
        "schedule": json.loads(schedule.text),
    }


def rebuild(path: str | os.PathLike[str], library: str | os.PathLike[str]) -> None:
    """Build the kernel of a schedule file (``schedule.json``) once more, as ``library``.

    It is built for the target in the file, in this process, and its results are not checked. Warns
    where the versions are others than the file's, since the schedule may then stand for another
    program. Raises UsageError for what is no schedule file or has a schedule that is none of this
    kernel (files are shared, and what is in them reaches compilers), InputError for a kernel that
    cannot be read, BackendError for one that cannot be built.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}, not {FORMAT}")
        target, schedule = _target(data["target"]), json.dumps(data["schedule"])
        backend, function, text = _backend(data), str(data["function"]), str(data["mlir"])
        versions, script = dict(data["versions"]), data["schedule"].get("script")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no schedule file: {type(error).__name__}: {error}",
            hint="take the schedule.json that `costmodel tune` wrote",
        ) from error
    if versions != dict(backend.versions()):
        warnings.warn(f"{path} was written by other versions than these", stacklevel=2)
    workload = replace(read_text(text, file_name=os.fspath(path)), function=function)
    if isinstance(script, str):
        carried = read_text(script, file_name=os.fspath(path), function=function)
        workload = replace(workload, script=carried.script)
    chosen = Schedule(backend.name, schedule)
    if not backend.space(workload, target).accepts(chosen):
        raise UsageError(f"{path} has a schedule that is none of {function}'s")
    if isinstance(backend, Releases):
        backend.release(
            workload, chosen, origin=None, library=Path(library), check=lambda built: None
        )
    else:
        backend.build(workload, chosen, target, Path(library))


def _backend(data: Mapping[str, Any]) -> Backend:
    """The backend of a schedule file; IREE has one of its own for whole models."""
    if data.get("whole_model") and data["backend"] == "iree":
        from costmodel.backends.iree.model import ModelBackend

        return ModelBackend()
    return load(data["backend"])


def _target(facts: Mapping[str, Any]) -> Target:
    """From what ``asdict`` and JSON made of one: tuples have become lists."""
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    return Target(**known)
