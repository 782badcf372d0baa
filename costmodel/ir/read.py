"""From a path or text to a Workload, for input that nobody has vetted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from costmodel import errors
from costmodel.ir import source
from costmodel.ir.origin import Origin
from costmodel.records import Decision, Script, SourceLocation, TensorType, Workload

__all__ = ["locate_text", "read_located", "read_text", "read_workload"]


def read_workload(src: str | os.PathLike[str], *, function: str | None = None) -> Workload:
    """Read one function of an MLIR file, or of MLIR text (a str with a line end or a brace).

    ``function`` chooses among several. Raises ParseError for what is not MLIR, UnsupportedError
    for a function that cannot be read, UsageError for a path or function that is not there; all
    with file, line and column where there is one.
    """
    return read_located(src, function=function)[0]


def read_located(
    src: str | os.PathLike[str], *, function: str | None = None, tunable: bool = False
) -> tuple[Workload, Origin]:
    """As ``read_workload``, and the input that it comes from.

    With ``tunable``, raises UnsupportedError for a function that can only be read and analysed.
    """
    text, name = source.given(src)
    return _read(text, name, function, tunable)


def read_text(text: str, *, file_name: str = "<text>", function: str | None = None) -> Workload:
    """As ``read_workload``, for text; ``file_name`` is what errors call it."""
    return _read(text, file_name, function, tunable=False)[0]


def locate_text(
    text: str, *, file_name: str = "<text>", function: str | None = None
) -> tuple[Workload, Origin]:
    """As ``read_text``, and the input that it comes from; never reads a file."""
    return _read(text, file_name, function, tunable=False)


def _read(
    text: str, file_name: str, function: str | None, tunable: bool
) -> tuple[Workload, Origin]:
    from costmodel.ir import sandbox

    source.check_text(text, file_name)
    try:
        answer = sandbox.shared().ask({"text": text, "function": function, "tunable": tunable})
    except errors.ParseError as error:
        error.location = SourceLocation(file_name)
        raise
    if "error" in answer:
        raise _error(answer["error"], text, file_name)
    place = _place(text, file_name, answer["line"], answer["column"])
    workload = _workload(answer["workload"])
    sources = {int(key): tuple(places) for key, places in answer["sources"].items()}
    lowered = answer["text"]
    return workload, Origin(
        place, lowered or text, workload.function, sources, stablehlo=lowered is not None
    )


def _error(fields: Mapping[str, Any], text: str, file_name: str) -> errors.InputError:
    kind = getattr(errors, fields["class"])
    error: errors.InputError = kind(
        source.said(fields["message"]),
        location=_place(text, file_name, fields["line"], fields["column"]),
        hint=fields["hint"],
    )
    return error


def _place(text: str, file_name: str, line: int, column: int) -> SourceLocation:
    """From a column in bytes, as MLIR counts them, to one in characters."""
    if not line:
        return SourceLocation(file_name)
    return SourceLocation(file_name, line, source.character_column(text, line, column))


def _workload(fields: Mapping[str, Any]) -> Workload:
    def types(rows: list[Mapping[str, Any]]) -> tuple[TensorType, ...]:
        return tuple(TensorType(tuple(r["shape"]), r["dtype"], r["index_limit"]) for r in rows)

    return Workload(
        script=_script(fields["script"]),
        text=fields["text"],
        function=fields["function"],
        inputs=types(fields["inputs"]),
        outputs=types(fields["outputs"]),
    )


def _script(fields: Mapping[str, Any] | None) -> Script | None:
    if fields is None:
        return None
    decisions = tuple(
        Decision(
            name=row["name"],
            options=tuple(row["options"]),
            selected=row["selected"],
            guards=tuple(tuple((name, n) for name, n in guard) for guard in row["guards"]),
        )
        for row in fields["decisions"]
    )
    return Script(fields["text"], fields["function"], decisions)
