"""From a path or text to a Workload, for input that nobody has vetted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from costmodel import errors
from costmodel.ir import source
from costmodel.records import SourceLocation, TensorType, Workload

__all__ = ["read_text", "read_workload"]


def read_workload(src: str | os.PathLike[str], *, function: str | None = None) -> Workload:
    """Read one function of an MLIR file, or of MLIR text (a str with a line end or a brace).

    ``function`` chooses among several. Raises ParseError for what is not MLIR, UnsupportedError
    for a function that cannot be read, UsageError for a path or function that is not there; all
    with file, line and column where there is one.
    """
    if isinstance(src, str) and ("\n" in src or "{" in src):
        return read_text(src, function=function)
    return read_text(source.load(src), file_name=os.fspath(src), function=function)


def read_text(text: str, *, file_name: str = "<text>", function: str | None = None) -> Workload:
    """As ``read_workload``, for text; ``file_name`` is what errors call it."""
    from costmodel.ir import sandbox

    source.check_text(text, file_name)
    try:
        answer = sandbox.shared().ask({"text": text, "function": function})
    except errors.ParseError as error:
        error.location = SourceLocation(file_name)
        raise
    if "error" in answer:
        raise _error(answer["error"], text, file_name)
    return _workload(answer["workload"])


def _error(fields: Mapping[str, Any], text: str, file_name: str) -> errors.InputError:
    kind = getattr(errors, fields["class"])
    line = fields["line"]
    column = source.character_column(text, line, fields["column"])
    error: errors.InputError = kind(
        fields["message"],
        location=SourceLocation(file_name, line, column if line else 0),
        hint=fields["hint"],
    )
    return error


def _workload(fields: Mapping[str, Any]) -> Workload:
    def types(rows: list[Mapping[str, Any]]) -> tuple[TensorType, ...]:
        return tuple(TensorType(tuple(r["shape"]), r["dtype"], r["index_limit"]) for r in rows)

    return Workload(
        text=fields["text"],
        function=fields["function"],
        inputs=types(fields["inputs"]),
        outputs=types(fields["outputs"]),
    )
