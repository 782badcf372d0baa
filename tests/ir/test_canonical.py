"""The canonical form: what must not matter does not, and what matters does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.ir import check_tunable, read_text
from costmodel.ir.parse import parse_trusted


def _load_programs():
    # importlib import mode has no sibling imports; load the file next to this one.
    path = Path(__file__).with_name("programs.py")
    spec = importlib.util.spec_from_file_location("tests_ir_programs", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


P = _load_programs()
KERNELS = sorted((Path(__file__).parents[2] / "kernels").rglob("*.mlir"))


@settings(max_examples=120, deadline=None)
@given(P.programs, P.styles)
def test_writing_does_not_change_the_hash(program, style):
    plain, styled = read_text(P.render(program)), read_text(P.render(program, style))
    assert styled.text == plain.text
    assert styled.hash == plain.hash
    assert styled.inputs == plain.inputs
    assert styled.function == style.function


@settings(max_examples=120, deadline=None)
@given(st.data(), P.programs)
def test_every_difference_changes_the_hash(data, program):
    other = data.draw(P.mutations(program))
    assume(P.render(other) != P.render(program))
    assert read_text(P.render(other)).hash != read_text(P.render(program)).hash


@settings(max_examples=60, deadline=None)
@given(P.programs, st.booleans(), st.booleans())
def test_mlirs_own_ways_of_printing_do_not_change_the_hash(program, generic, debug):
    text = P.render(program, P.PLAIN)
    module = parse_trusted(text)
    printed = module.operation.get_asm(
        print_generic_op_form=generic, enable_debug_info=debug, use_local_scope=not generic
    )
    assert printed != text
    assert read_text(printed).hash == read_text(text).hash


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_canonical_text_is_its_own_canonical_form(path):
    workload = read_text(path.read_text())
    again = read_text(workload.text)
    assert again.text == workload.text
    assert again.inputs == workload.inputs
    assert again.outputs == workload.outputs
    if "memref" not in workload.text:
        check_tunable(again)


def test_no_two_kernels_share_a_hash():
    hashes = [read_text(path.read_text()).hash for path in KERNELS]
    assert len(set(hashes)) == len(hashes)


ELEMENTWISE = """
func.func @f(%a: tensor<4x5xf32>, %b: tensor<4x5xf32>) -> tensor<4x5xf32> {{
  {body}
}}
"""


def test_elementwise_operations_on_tensors_are_the_generic_they_stand_for():
    on_tensors = """%0 = arith.mulf %a, %b : tensor<4x5xf32>
      return %0 : tensor<4x5xf32>"""
    generic = """%e = tensor.empty() : tensor<4x5xf32>
      %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
        affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%a, %b : tensor<4x5xf32>, tensor<4x5xf32>) outs(%e : tensor<4x5xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        linalg.yield %p : f32
      } -> tensor<4x5xf32>
      return %0 : tensor<4x5xf32>"""
    first, second = (read_text(ELEMENTWISE.format(body=body)) for body in (on_tensors, generic))
    assert first.text == second.text


def test_independent_operations_may_stand_in_any_order():
    one = "%x = math.exp %a : tensor<4x5xf32>"
    two = "%y = math.log %b : tensor<4x5xf32>"
    last = "%z = arith.subf %x, %y : tensor<4x5xf32>\nreturn %z : tensor<4x5xf32>"
    texts = ["\n".join([one, two, last]), "\n".join([two, one, last])]
    first, second = (read_text(ELEMENTWISE.format(body=body)) for body in texts)
    assert first.hash == second.hash


def test_named_operations_stay_named():
    text = """func.func @f(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>, %c: tensor<4x4xf32>)
        -> tensor<4x4xf32> {
      %0 = linalg.matmul {lowering_config = 3 : i64} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
        outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
      return %0 : tensor<4x4xf32>
    }"""
    workload = read_text(text)
    assert "linalg.matmul ins" in workload.text
    assert "lowering_config" not in workload.text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("dense<[1.0, 2.0, 3.0, 4.0]>", "dense<[1.0, 2.0, 3.0, 5.0]>"),
        ("dense<1.0>", "dense<2.0>"),
        ("dense<[1.0, 2.0, 3.0, 4.0]>", "dense<[2.0, 1.0, 3.0, 4.0]>"),
        ("dense<0.0>", "dense<-0.0>"),
        ("dense<0x7FC00000>", "dense<0x7FC00001>"),
    ],
)
def test_constants_count(first, second):
    text = """func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {{
      %c = arith.constant {} : tensor<4xf32>
      %0 = arith.divf %a, %c : tensor<4xf32>
      return %0 : tensor<4xf32>
    }}"""
    assert read_text(text.format(first)).hash != read_text(text.format(second)).hash


def test_every_element_of_a_large_constant_counts():
    numbers = [float(n) for n in range(5000)]
    text = """func.func @f(%a: tensor<5000xf32>) -> tensor<5000xf32> {{
      %c = arith.constant dense<{}> : tensor<5000xf32>
      %0 = arith.divf %a, %c : tensor<5000xf32>
      return %0 : tensor<5000xf32>
    }}"""
    whole = read_text(text.format(numbers))
    numbers[4321] += 0.5
    assert read_text(text.format(numbers)).hash != whole.hash
    assert read_text(whole.text).hash == whole.hash


def test_fast_math_and_overflow_flags_count():
    text = ELEMENTWISE.format(
        body="%0 = arith.mulf %a, %b {} : tensor<4x5xf32>\n return %0 : tensor<4x5xf32>"
    )
    hashes = {read_text(text.replace("{}", flags)).hash for flags in ("", "fastmath<fast>")}
    assert len(hashes) == 2


def test_a_function_is_read_alone():
    two = """func.func @g(%a: tensor<4xf32>) -> tensor<4xf32> { return %a : tensor<4xf32> }
    func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %a : tensor<4xf32>
      return %0 : tensor<4xf32>
    }"""
    alone = two[two.index("func.func @f") :]
    assert read_text(two, function="f").hash == read_text(alone).hash
    assert read_text(two, function="g").hash != read_text(alone).hash


def test_loop_level_kernels_have_a_canonical_form_too():
    text = """memref.global "private" constant @{g} : memref<4xf32> = dense<[1.0, 2.0, 3.0, {last}]>
    func.func @{f}(%{a}: memref<4xf32>) {{
      %zero = arith.constant 0 : index
      %one = arith.constant 1 : index
      %four = arith.constant 4 : index
      %w = memref.get_global @{g} : memref<4xf32>
      scf.for %i = %zero to %four step %one {{
        %v = memref.load %w[%i] : memref<4xf32>
        memref.store %v, %{a}[%i] : memref<4xf32>
      }}
      return
    }}"""
    plain = read_text(text.format(g="w", f="f", a="a", last="4.0"))
    renamed = read_text(text.format(g="table", f="copy", a="out", last="4.0"))
    other = read_text(text.format(g="w", f="f", a="a", last="5.0"))
    assert renamed.hash == plain.hash
    assert other.hash != plain.hash
