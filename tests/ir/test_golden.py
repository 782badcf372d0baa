"""Golden files: input and expectation in one ``.mlir`` file under ``tests/golden/ir``.

Comments at the end of the file say what is expected of all that stands above them:

    // function: NAME          the function to choose, if one is chosen
    // error: CLASS L:C: TEXT  reading fails with this class, place and message (hint left out)
    // refused: TEXT           reading works, check_tunable refuses with a message that starts so
    // FIELD = VALUE           the analysis: flops, bytes, element_types, flops_by_dtype
    // op NAME LOOPS FLOPS BYTES DTYPE    one line for each of the analysis' operations
    // decision NAME: OPTIONS  what a transform script leaves open, the selected one in brackets
    //     if DECISION = OPTION, ...    and where it counts, unless everywhere; one line a way
    // canonical:              every further line is a line of the canonical text

``pytest tests/ir --update-golden`` writes the expectations anew; read the difference first.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from costmodel.errors import InputError, UnsupportedError
from costmodel.ir import analyze, check_tunable, read_workload

FILES = sorted((Path(__file__).parents[1] / "golden" / "ir").glob("*.mlir"))
EXPECTATION = re.compile(
    r"^// (error:|refused:|canonical:|decision |op |flops|bytes|element_types|index_limits)"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path, request):
    lines = path.read_text().splitlines()
    start = next((n for n, line in enumerate(lines) if EXPECTATION.match(line)), len(lines))
    actual = [f"// {line}".rstrip() for line in outcome(path, lines)]
    if request.config.getoption("--update-golden", default=False):
        path.write_text("\n".join([*lines[:start], *actual]) + "\n")
    else:
        assert actual, "a golden file without an expectation"
        assert actual == lines[start:]


def outcome(path: Path, lines: list[str]) -> list[str]:
    chosen = [line.removeprefix("// function: ") for line in lines if "// function: " in line]
    try:
        workload = read_workload(path, function=chosen[0] if chosen else None)
    except InputError as error:
        place = error.location
        assert place.file == str(path)
        return [f"error: {type(error).__name__} {place.line}:{place.column}: {error.message}"]
    found = []
    try:
        check_tunable(workload)
    except UnsupportedError as error:
        found.append(f"refused: {error.message[:60]}")
    limits = [kind.index_limit for kind in workload.inputs]
    if any(limits):
        found.append(f"index_limits = {limits}")
    return (
        found
        + decisions(workload)
        + figures(workload)
        + ["canonical:", *workload.text.splitlines()]
    )


def decisions(workload) -> list[str]:
    lines = []
    made = workload.script.decisions if workload.script else ()
    options = {each.name: each.options for each in made}
    for each in made:
        texts = [f"[{o}]" if n == each.selected else o for n, o in enumerate(each.options)]
        lines.append(f"decision {each.name}: {' | '.join(texts)}")
        for guard in each.guards:
            if guard:
                ways = ", ".join(f"{name} = {options[name][number]}" for name, number in guard)
                lines.append(f"    if {ways}")
        if not each.guards:
            lines.append("    never")
    return lines


def figures(workload) -> list[str]:
    try:
        analysis = analyze(workload)
    except UnsupportedError as error:
        return [f"flops unknown: {error.message}"]
    by_dtype = " ".join(f"{dtype}:{flops:.0f}" for dtype, flops in analysis.flops_by_dtype)
    return [
        f"flops = {analysis.flops:.0f}",
        f"bytes = {analysis.bytes}",
        f"element_types = {' '.join(analysis.element_types)}",
        f"flops_by_dtype = {by_dtype}",
        *(
            f"op {op.name} {'x'.join(f'{loop.extent}{loop.kind[0]}' for loop in op.loops)}"
            f" {op.flops:.0f} {op.bytes} {op.dtype}"
            for op in analysis.ops
        ),
    ]


def test_there_are_golden_files():
    assert len(FILES) > 30
