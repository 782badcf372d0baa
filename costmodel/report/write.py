"""Writing the report of a run; a file that cannot be written is reported, never fatal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from costmodel.report.files import write_bytes, write_text
from costmodel.report.summary import report_json
from costmodel.results import TuneResult

__all__ = ["PLOT", "REPORT", "write_report"]

PLOT = "search.png"
REPORT = "report.json"


def write_report(result: TuneResult, out: Path, *, plain: bool = False) -> TuneResult:
    """Write plot and ``report.json`` into the directory ``out``.

    Returns ``result`` with their paths in ``artifacts``. Where ``plain`` all files in ``out`` are
    told by their names alone, for readers who will have them in another directory. A file that
    could not be written (the disk is full) is left out and named in ``problems``: hours of
    measuring must not be lost over a picture. Files of an earlier run are replaced whole or left
    as they were.
    """
    result = _artifact(result, "plot", out / PLOT, lambda path: _write_plot(path, result))
    # The report names its own path, so that it is the same object as the one that is printed.
    final = _with_artifact(result, "report", str(out / REPORT))
    final = _plain(final, out) if plain else final
    text = json.dumps(report_json(final), indent=1, allow_nan=False) + "\n"
    result = _artifact(result, "report", out / REPORT, lambda path: write_text(path, text))
    return _plain(result, out) if plain else result


def _plain(result: TuneResult, out: Path) -> TuneResult:
    names = {kind: path and Path(path).name for kind, path in result.artifacts.items()}
    problems = tuple(one.replace(f"{out}{os.sep}", "") for one in result.problems)
    return replace(result, artifacts=names, problems=problems)


def _artifact(
    result: TuneResult, name: str, path: Path, write: Callable[[Path], None]
) -> TuneResult:
    try:
        write(path)
    except OSError as error:
        return _with_problem(result, path, error)
    return _with_artifact(result, name, str(path))


def _with_artifact(result: TuneResult, name: str, path: str) -> TuneResult:
    return replace(result, artifacts={**result.artifacts, name: path})


def _with_problem(result: TuneResult, path: Path, error: OSError) -> TuneResult:
    problem = f"{path} could not be written: {error.strerror or error}"
    return replace(result, problems=(*result.problems, problem))


def _write_plot(path: Path, result: TuneResult) -> None:
    from costmodel.report.plot import search_plot  # matplotlib takes a second to import

    write_bytes(path, search_plot(result))
