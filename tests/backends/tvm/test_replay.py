"""Schedules as text: what is written replays to the same program, what is damaged is refused."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm_ffi import structural_equal, structural_hash

from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.program import Program
from costmodel.backends.tvm.replay import lowered, replay
from costmodel.backends.tvm.space import TVMSpace
from costmodel.backends.tvm.texts import check_knobs, parse, plain, template_text, trace_text
from costmodel.errors import InputError, UsageError
from costmodel.ir import read_text
from costmodel.records import Schedule, Workload
from tests.backends.tvm.programs import FAMILIES, Function

CASES = sorted(Path(__file__).with_name("lowering_cases").glob("*.mlir"))


def dense() -> Workload:
    f = Function()
    a, b = f.argument([24, 40], "f32"), f.argument([40, 33], "f32")
    return read_text(f.text(f.op("matmul", [a, b], f.filled("0.0", [24, 33], "f32"))))


@pytest.fixture(scope="module")
def workload() -> Workload:
    return dense()


@pytest.fixture(scope="module")
def space(workload, target) -> TVMSpace:
    return TVMSpace(workload, target)


@pytest.fixture(scope="module")
def by_kind(space) -> dict[str, Schedule]:
    """One schedule of each kind."""
    drawn = [space.default(), *space.sample(40, random.Random(0))]
    return {json.loads(schedule.text)["kind"]: schedule for schedule in reversed(drawn)}


def test_the_space_has_all_kinds(by_kind):
    assert set(by_kind) == {"default", "template", "trace"}


@pytest.mark.parametrize("kind", ["default", "template", "trace"])
def test_a_text_replays_to_the_same_program(kind, by_kind, space, workload, target):
    schedule = by_kind[kind]
    first, second = (replay(workload, schedule, target).mod for _ in range(2))
    assert structural_hash(first) == structural_hash(second)
    made = space._made.get(schedule.hash)
    if kind != "default":
        assert made is not None
        assert structural_hash(first) == structural_hash(made.mod)


def test_a_text_replays_to_the_same_program_in_another_process(by_kind, target, tmp_path):
    """What decides the machine code is the program's text; hashes differ between processes."""
    texts = {kind: schedule.text for kind, schedule in by_kind.items()}
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import json, pathlib, sys\n"
        "from tests.backends.tvm.test_replay import dense\n"
        "from costmodel.backends.tvm.replay import replay\n"
        "from costmodel.records import Schedule\n"
        "from costmodel.target import host_target\n"
        "target = host_target(measure=False)\n"
        "texts = json.loads(pathlib.Path(sys.argv[1]).read_text())\n"
        "print(json.dumps({kind: replay(dense(), Schedule('tvm', text), target).mod.script()\n"
        "                  for kind, text in texts.items()}))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "texts.json")]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    here = {
        kind: replay(dense(), schedule, target).mod.script() for kind, schedule in by_kind.items()
    }
    assert json.loads(done.stdout.splitlines()[-1]) == here


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_program_is_the_function_that_it_was_read_from(case):
    module, program = lowered(read_text(case.read_text()).text)
    if program is None:
        pytest.skip("a block with several stores")
    assert structural_equal(program.function(), module["main"])


@pytest.mark.parametrize("family", FAMILIES)
@settings(derandomize=True, max_examples=10, deadline=None, database=None)
@given(data=st.data())
def test_random_programs_are_the_functions_that_they_were_read_from(family, data):
    module, program = lowered(read_text(data.draw(FAMILIES[family])).text)
    if program is None:
        return
    written = program.function()
    # What a gather may read is given as whole dimensions: schedules ask for boxes.
    assert family == "gathers" or structural_equal(written, module["main"])
    again = Program.of(written)
    assert again is not None
    assert structural_equal(again.function(), written)


GET = ["GetSBlock", [], ["matmul", "main"], ["b0"]]
BAD_TEXTS = {
    "empty": ("", "is not JSON"),
    "cut off": ('{"kind": "temp', "is not JSON"),
    "deep": ("[" * 100_000, "is not JSON"),
    "a list": ("[1]", "is not a JSON object"),
    "null": ("null", "is not a JSON object"),
    "no kind": ("{}", "is of kind None"),
    "another kind": ('{"kind": "polyhedral"}', "is of kind 'polyhedral'"),
    "a kind that is no text": ('{"kind": ["default"]}', "is of kind"),
    "no knobs": ('{"kind": "template"}', "no valid 'knobs'"),
    "knobs in a list": ('{"kind": "template", "knobs": [1]}', "no valid 'knobs'"),
    "another workload's": (template_text({"conv.vec": "s1"}), "a knob 'conv.vec'"),
    "no such option": (template_text({"matmul.unroll": 0}), "'matmul.unroll' to 0; there is 1"),
    "another type": ('{"kind": "template", "knobs": {"matmul.order": true}}', "to True"),
    "no trace": ('{"kind": "trace"}', "no valid 'trace'"),
    "an empty trace": (trace_text([]), "not a list of instructions"),
    "a short instruction": (trace_text([[["GetBlock", []]], []]), "with the instruction"),
    "a decision about nothing": (trace_text([[], [[0, [1]]]]), "with the decision"),
    "no such instruction": (trace_text([[["Fly", [], [], []]], []]), "with the instruction"),
    "an instruction that no rule uses": (
        trace_text([[GET, ["Tensorize", ["b0", '"dot"', 1], [], []]], []]),
        "with the instruction ['Tensorize'",
    ),
    "code in an annotation": (
        trace_text(
            [[GET, ["Annotate", ["b0", '"@x = global i8 0"'], ["pragma_import_llvm"], []]], []]
        ),
        "with the instruction ['Annotate'",
    ),
    "an annotation without a key": (
        trace_text([[GET, ["Annotate", ["b0", 1], [], []]], []]),
        "with the instruction",
    ),
    "no such block": (
        trace_text([[["GetSBlock", [], ["conv", "main"], ["b0"]]], []]),
        "does not apply here",
    ),
}


@pytest.mark.parametrize(("text", "reason"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_bad_text_is_refused_and_nothing_is_built(text, reason, workload, target, tmp_path):
    """By an InputError, which the measuring layer records as an invalid schedule."""
    library = tmp_path / "library.so"
    with pytest.raises(InputError) as caught:
        TVMBackend().build(workload, Schedule("tvm", text), target, library)
    assert reason in caught.value.message
    assert caught.value.hint or "does not apply" in caught.value.message
    assert list(tmp_path.iterdir()) == []


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_a_damaged_trace_is_refused_or_applies(by_kind, workload, target, data):
    """TVM checks little of what it replays: unchecked, some of these end the process."""
    text = json.loads(by_kind["trace"].text)
    places = list(_places(text["trace"]))
    *path, last = data.draw(st.sampled_from(places))
    node = text["trace"]
    for step in path:
        node = node[step]
    if data.draw(st.booleans()):
        node[last] = data.draw(st.sampled_from([None, -1, 0, 10**12, "b0", '"x"', [], {}, 1.5]))
    else:
        del node[last]
    with contextlib.suppress(UsageError):
        replay(workload, Schedule("tvm", json.dumps(text)), target)


def _places(value, path=()):
    for position, child in enumerate(value):
        yield (*path, position)
        if isinstance(child, list):
            yield from _places(child, (*path, position))


def test_a_template_is_refused_where_none_applies(target):
    two_results = read_text(CASES[0].parent.joinpath("chains.mlir").read_text())
    assert lowered(two_results.text)[1] is None
    with pytest.raises(UsageError, match="none applies"):
        replay(two_results, Schedule("tvm", template_text({})), target)


RULED = ("pooling", "chains", "reduction", "mixed", "movement")


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.stem in RULED], ids=lambda path: path.stem
)
def test_every_trace_that_the_rules_make_is_read(case, target):
    space, rng = TVMSpace(read_text(case.read_text()), target), random.Random(1)
    made = [sch for _ in range(4) if (sch := space._rules.sample(rng)) is not None]
    traces = [plain(sch.trace.as_json()) for sch in made]
    changed = [space._rules.mutate(trace, rng) for trace in traces[:2]]
    traces += [plain(sch.trace.as_json()) for sch in changed if sch is not None]
    assert traces
    for trace in traces:
        assert parse(trace_text(trace))["trace"] == trace


def test_texts_are_canonical():
    assert template_text({"b": 1, "a": "s0"}) == template_text({"a": "s0", "b": 1})
    assert parse(template_text({"a": 1})) == {"kind": "template", "knobs": {"a": 1}}
    check_knobs({"a": 1}, {"a": (2, 1)})
