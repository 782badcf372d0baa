"""Reading MLIR: parse, canonical form, hash, analysis.

MLIR's bindings are imported on first use. ``costmodel.ir.parse.parse_trusted`` gives the parsed
module of a workload's text to whoever lowers it.
"""

from __future__ import annotations

from costmodel.ir.analysis import Analysis, Loop, OpSummary
from costmodel.ir.guards import active
from costmodel.ir.origin import Origin
from costmodel.ir.read import locate_text, read_located, read_text, read_workload
from costmodel.records import Workload

__all__ = [
    "Analysis",
    "Loop",
    "OpSummary",
    "Origin",
    "active",
    "analyze",
    "check_tunable",
    "locate_text",
    "read_located",
    "read_text",
    "read_workload",
]


def analyze(workload: Workload) -> Analysis:
    """FLOPs, compulsory bytes, loop nests and element types of a workload.

    Raises UnsupportedError where a loop-level kernel has a loop whose trip count is not known.
    """
    from costmodel.ir.count import analyze

    return analyze(workload)


def check_tunable(workload: Workload) -> None:
    """Raise UnsupportedError, with the reason, for a workload that can be read but not tuned."""
    from costmodel.errors import UnsupportedError
    from costmodel.ir import checks, parse

    module = parse.parse_trusted(workload.text)
    try:
        checks.check_tunable(parse.main_function(module))
    except UnsupportedError as error:
        error.location = None  # a place in canonical text means nothing to the user
        raise
