"""MLIR text to an ``ir.Module`` in this process, through the bindings of iree-base-compiler.

Deep nesting ends the process that parses it (SIGSEGV). Text that nobody has vetted goes through
``costmodel.ir.read`` first, which parses in a child process and hands back canonical text.
"""

from __future__ import annotations

import functools

from iree.compiler import ir, passmanager

from costmodel.errors import ParseError, UnsupportedError
from costmodel.ir.source import blank_locations
from costmodel.records import SourceLocation

__all__ = [
    "context",
    "first_error",
    "main_function",
    "new_context",
    "parse_trusted",
    "parse_vetted",
    "place",
    "run_passes",
]

#: The file name that the bindings give to text.
_TEXT_FILE = "-"


def new_context() -> ir.Context:
    """A context without a thread pool, so that a process that holds one can fork."""
    made = ir.Context()
    made.enable_multithreading(False)
    return made


@functools.cache
def context() -> ir.Context:
    """This process's context, made on first use and kept."""
    return new_context()


def parse_trusted(text: str) -> ir.Module:
    """Parse canonical text (``Workload.text``) in this process's cached context.

    Keep the module for as long as anything of it is used: its operations do not keep it alive.
    Raises ParseError, without a file name, if the text is not valid MLIR after all.
    """
    return parse_vetted(text, context())


def parse_vetted(text: str, within: ir.Context) -> ir.Module:
    """Parse ``text`` in a context of the caller's.

    Raises ParseError at the line and column (in bytes, both from 1) of MLIR's first error. An
    operation that carries the location of another file is found in this text all the same.
    """
    try:
        return ir.Module.parse(text, within)
    except ir.MLIRError as error:
        message, location = first_error(error)
        if location is None or not location.line:
            location = _place_without_locations(text, within, message) or location
        raise ParseError(message, location=location) from error


def place(location: ir.Location) -> SourceLocation | None:
    """Where in the parsed text an MLIR location points; None if it names another file only."""
    pending = [location]
    while pending:
        # A diagnostic's location comes as the base class: from_attr gives it its own.
        current = ir.Location.from_attr(pending[0].attr, pending.pop(0).context)
        if isinstance(current, ir.FileLineColLoc):
            if current.filename == _TEXT_FILE:
                return SourceLocation("", current.start_line, current.start_col)
        elif isinstance(current, ir.FusedLoc):
            pending += current.locations
        elif isinstance(current, ir.NameLoc):
            pending.append(current.child_loc)
        elif isinstance(current, ir.CallSiteLoc):
            pending += [current.callee, current.caller]
    return None


def main_function(module: ir.Module) -> ir.OpView:
    """The function ``@main`` of a canonical module."""
    for op in module.body.operations:
        if op.operation.name == "func.func":
            return op
    raise ParseError("not canonical text: there is no function")


def run_passes(pipeline: str, module: ir.Module, *, failure: str) -> None:
    """Run passes over a module.

    Raises UnsupportedError, at the place that MLIR names, with its message after ``failure``.
    """
    with module.context:
        try:
            passmanager.PassManager.parse(pipeline).run(module.operation)
        except ir.MLIRError as error:
            message, location = first_error(error)
            raise UnsupportedError(f"{failure}: {message}", location=location) from error


def first_error(error: ir.MLIRError) -> tuple[str, SourceLocation | None]:
    """Message and place of the first of MLIR's diagnostics that is an error."""
    for diagnostic in error.error_diagnostics:
        if diagnostic.severity == ir.DiagnosticSeverity.ERROR:
            return diagnostic.message.strip(), place(diagnostic.location)
    return "not valid MLIR", None


def _place_without_locations(text: str, within: ir.Context, message: str) -> SourceLocation | None:
    try:
        ir.Module.parse(blank_locations(text), within)
    except ir.MLIRError as error:
        again, location = first_error(error)
        return location if again == message else None
    return None
