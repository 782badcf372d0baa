"""Functions as tokens: the structure can be read back; how a text is written leaves no trace."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iree.compiler import ir

from costmodel.errors import UsageError
from costmodel.ir import analyze, parse, read_workload
from costmodel.records import Workload
from costmodel.tokens.stream import Kind, Token, TokenStream, Variant
from costmodel.tokens.structure import Node, Source, structure_of
from costmodel.tokens.writer import tokenize

ROOT = Path(__file__).resolve().parents[2]
KERNELS = sorted((ROOT / "kernels").glob("*.mlir"))
LOOPS = sorted((ROOT / "kernels" / "loops").glob("*.mlir"))
_BODIES = ("linalg.generic", "linalg.map", "linalg.reduce")


def load_programs():
    path = ROOT / "tests/ir/programs.py"
    spec = importlib.util.spec_from_file_location("programs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["programs"] = module
    spec.loader.exec_module(module)
    return module


programs = load_programs()


def nodes_of(workload: Workload) -> tuple[Node, ...]:
    """The same as ``structure_of``, from the parsed module itself."""
    module = parse.parse_trusted(workload.text)
    found: list[Node] = []
    made: dict[ir.Value, tuple[int, int]] = {}

    def visit(op: ir.OpView, parent: int | None, block: int) -> None:
        number = len(found)
        sources = [
            Source(*made[value], isinstance(value, ir.BlockArgument)) for value in op.operands
        ]
        found.append(Node(op.operation.name, parent, block, tuple(sources)))
        made.update({value: (number, place) for place, value in enumerate(op.results)})
        implied = op.operation.name.startswith("linalg.") and op.operation.name not in _BODIES
        for region in [] if implied else op.regions:
            for place, inner in enumerate(region.blocks):
                made.update({value: (number, n) for n, value in enumerate(inner.arguments)})
                for child in inner.operations:
                    visit(child, number, place)

    visit(parse.main_function(module), None, 0)
    return tuple(found)


def read(path: Path) -> Workload:
    return read_workload(path)


@pytest.mark.parametrize("path", [*KERNELS, *LOOPS], ids=lambda path: path.stem)
def test_the_structure_of_every_kernel_is_read_back(path: Path) -> None:
    workload = read(path)
    stream = tokenize(workload)
    assert structure_of(stream) == nodes_of(workload)
    assert structure_of(stream.shown(Variant.OPERANDS)) == nodes_of(workload)
    names = [(node.name, node.parent, node.block) for node in nodes_of(workload)]
    bare = structure_of(stream.shown(Variant.OPS))
    assert [(node.name, node.parent, node.block) for node in bare] == names


@settings(max_examples=30, deadline=None)
@given(programs.programs, programs.styles)
def test_how_a_program_is_written_leaves_no_trace(program, style) -> None:
    plain = tokenize(read_workload(programs.render(program)))
    assert tokenize(read_workload(programs.render(program, style))) == plain
    assert structure_of(plain) == nodes_of(read_workload(programs.render(program)))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_matters_changes_the_tokens(data) -> None:
    program = data.draw(programs.programs)
    other = data.draw(programs.mutations(program))
    one, two = (tokenize(read_workload(programs.render(p))) for p in (program, other))
    assert one != two


def test_a_matmul_in_tokens() -> None:
    text = """
    func.func @f(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>, %c: tensor<16x8xf32>)
        -> tensor<16x8xf32> {
      %m = linalg.matmul ins(%a, %b : tensor<16x32xf32>, tensor<32x8xf32>)
          outs(%c : tensor<16x8xf32>) -> tensor<16x8xf32>
      return %m : tensor<16x8xf32>
    }
    """
    stream = tokenize(read_workload(text))
    assert stream.text().splitlines()[1] == (
        "linalg.matmul tensor f32 # # %arg f32 %arg f32 %arg f32 reduction parallel parallel "
        "d0 d2 d1 d0 d1 d2 flops:f32 bytes"
    )
    matmul = [token for token in stream if token.op == 1]
    loops = [(token.word, token.value, token.slot) for token in matmul if token.kind is Kind.LOOP]
    assert loops == [("reduction", 32.0, 0), ("parallel", 8.0, 1), ("parallel", 16.0, 2)]
    costs = {token.word: token.value for token in matmul if token.kind is Kind.COST}
    assert costs == {"flops:f32": 2.0 * 16 * 8 * 32, "bytes": 4.0 * (16 * 32 + 32 * 8 + 2 * 16 * 8)}


def test_variants_show_less() -> None:
    stream = tokenize(read(ROOT / "kernels" / "matmul_bias_relu.mlir"))
    ops, operands = (stream.shown(v) for v in (Variant.OPS, Variant.OPERANDS))
    assert {token.kind for token in ops} == {Kind.OP, Kind.STRUCTURE}
    assert len(ops) < len(operands) < len(stream)
    assert "#" not in operands.words
    assert any(word.startswith("#") for word in operands.words)


@pytest.mark.parametrize(("words", "message"), [(["{"], "does not end"), (["}"], "did not begin")])
def test_tokens_of_no_function_are_refused(words: list[str], message: str) -> None:
    tokens = [Token(Kind.OP, "func.func", 0), *(Token(Kind.STRUCTURE, w, 0) for w in words)]
    with pytest.raises(UsageError, match=message):
        structure_of(TokenStream(tuple(tokens), 1))


def test_dialects_that_nobody_described_are_read_too() -> None:
    text = """module { func.func @main(%arg0: vector<4xf32>) -> vector<4xf32> {
      %0 = vector.fma %arg0, %arg0, %arg0 : vector<4xf32>
      return %0 : vector<4xf32> } }"""
    stream = tokenize(Workload(text, "main", (), ()))
    assert [token.word for token in stream if token.op == 1] == [
        "vector.fma", "vector", "f32", "#", "%arg", "f32", "%arg", "f32", "%arg", "f32", "bytes",
    ]  # fmt: skip


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_costs_add_up_to_the_analysis(path: Path) -> None:
    workload = read(path)
    flops = sum(token.value for token in tokenize(workload) if token.word.startswith("flops:"))
    assert flops == pytest.approx(analyze(workload).flops)


def test_loops_that_depend_on_others_count_by_their_first_values() -> None:
    text = """
    func.func @f(%a: memref<32xf32>) {
      affine.for %i = 0 to 32 step 8 {
        affine.for %j = affine_map<(d0) -> (d0)>(%i) to affine_map<(d0) -> (d0 + 8)>(%i) {
          %v = affine.load %a[%j] : memref<32xf32>
          %w = arith.addf %v, %v : f32
          affine.store %w, %a[%j] : memref<32xf32>
        }
      }
      return
    }
    """
    stream = tokenize(read_workload(text))
    costs = [(t.word, t.value) for t in stream if t.kind is Kind.COST and t.word != "times"]
    assert costs == [("bytes", 128.0), ("flops:f32", 32.0), ("bytes", 128.0)]
