"""The process that parses what nobody has vetted; ``costmodel.ir.sandbox`` starts it.

One JSON object a line on standard input, ``{"text", "function", "tunable"}``, is answered by one
on standard output: ``{"workload": {...}, "sources": {...}, "text", "line", "column"}``, or
``{"error": {...}}``. ``sources`` are the operations of the text that those of the workload come
from; line and column are the function's place. StableHLO is turned into linalg, which is given
back as ``text``. Input that kills MLIR kills this process alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from iree.compiler import ir

from costmodel.errors import InputError
from costmodel.ir import canonical, checks, isolate, parse, resources, scripts, stablehlo
from costmodel.ir.tune_syntax import rewrite

__all__ = ["answer", "main"]

#: Half of what a process usually has, so that text which passes here can be parsed anywhere.
_STACK_BYTES = 4 << 20
#: A context keeps every type and constant it has seen; after so much text, take a new one.
_CONTEXT_BYTES = 1 << 20


def answer(request: Mapping[str, Any], context: ir.Context) -> dict[str, Any]:
    """Read one workload; an InputError becomes ``error`` with its class, message and place."""
    text = request["text"]
    try:
        rewritten = rewrite(text)
    except InputError as error:
        return _refusal(error)
    place = lowered = None
    try:
        module = parse.parse_vetted(rewritten.text, context)
        chosen = isolate.choose(module, request["function"])
        script = scripts.read_script(module, text, chosen)
        place = parse.place(chosen.location)
        if request.get("tunable"):
            checks.check_level(chosen)
        lowered = stablehlo.lower(module) if stablehlo.is_stablehlo(module) else None
        if lowered is not None:
            module = parse.parse_vetted(lowered, context)
        resources.inline(module)
        workload, sources = canonical.read_tagged(module, request["function"])
    except InputError as error:
        if lowered is not None:
            error.location = place  # places in what it became mean nothing to the user
        if error.location is not None:
            error.message = rewritten.message(error.message, error.location)
            error.location = rewritten.place(error.location)
        if "'transform.with_named_sequence'" in error.message and error.hint is None:
            error.hint = "begin the file with: module attributes {transform.with_named_sequence} {"
        return _refusal(error)
    place = None if place is None else rewritten.place(place)
    return {
        "workload": asdict(replace(workload, script=script)),
        "sources": sources,
        "text": lowered,
        "line": place.line if place else 0,
        "column": place.column if place else 0,
    }


def _refusal(error: InputError) -> dict[str, Any]:
    place = error.location
    return {
        "error": {
            "class": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "line": place.line if place else 0,
            "column": place.column if place else 0,
        }
    }


def main(memory: str) -> None:
    """Answer requests until standard input ends, within so many bytes of address space."""
    memory_bytes = int(memory)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES, _STACK_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What MLIR prints must not end up among the answers.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    context, seen = parse.new_context(), 0
    for line in sys.stdin.buffer:
        if seen > _CONTEXT_BYTES:
            context, seen = parse.new_context(), 0
        seen += len(line)
        replies.write(json.dumps(answer(json.loads(line), context)).encode() + b"\n")
        replies.flush()
