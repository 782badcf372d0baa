"""Programs, how their blocks walk through memory, and what the rewrites make of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm_ffi import structural_equal

from costmodel.backends.tvm.access import access_of, accesses
from costmodel.backends.tvm.axes import Machine, tile_options, vector_axes
from costmodel.backends.tvm.knobs import InvalidKnobsError, inlined, knobs_of
from costmodel.backends.tvm.program import Block, Program
from costmodel.backends.tvm.replay import lowered
from costmodel.backends.tvm.retile import epilogue_of, retile
from costmodel.backends.tvm.rewrites import combiner, consumers, is_elementwise, lanes, producers
from costmodel.backends.tvm.template import schedule, schedule_noting
from costmodel.ir import read_text
from tests.backends.tvm.programs import FAMILIES, Function, Value, convolution

AVX512 = Machine(64, 2)


def program_of(text: str) -> Program:
    program = lowered(read_text(text).text)[1]
    assert program is not None
    return program


def matmul(*, transposed: bool = False) -> tuple[Function, Value]:
    f = Function()
    a = f.argument([6, 20], "f32")
    b = f.argument([33, 20] if transposed else [20, 33], "f32")
    start = f.filled("0.0", [6, 33], "f32")
    body = "%p = arith.mulf %a, %b : T\n%y = arith.addf %o, %p : T"
    reads = [(a, "ik"), (b, "jk" if transposed else "kj")]
    return f, f.generic("ijK", reads, (start, "ij"), body)


def reduction(op: str, operands: str = "%a, %o", dtype: str = "f32") -> Block:
    f = Function()
    x, start = f.argument([4, 50], dtype), f.argument([4], dtype)
    return program_of(
        f.text(f.generic("iJ", [(x, "ij")], (start, "i"), f"%y = {op} {operands} : T"))
    ).blocks[-1]


class TestAccess:
    def test_strides_are_those_of_row_major_memory(self):
        f, product = matmul()
        (block,) = program_of(f.text(product)).blocks
        left, right = accesses(block)
        assert [left.stride(p) for p in range(3)] == [20, 0, 1]
        assert [right.stride(p) for p in range(3)] == [0, 1, 33]
        stored = access_of(block, block.buffer, block.indices)
        assert [stored.stride(p) for p in range(3)] == [33, 1, 0]
        assert left.moved_by == {0, 2}

    def test_windows_add_up_and_padding_shifts(self):
        program = inlined(program_of(convolution("nchw_fchw", stride=2, pad=1)), {"pad.inline": 1})
        image = next(a for block in program.blocks for a in accesses(block) if len(a.indices) == 4)
        assert image.linear
        height, width = (int(extent) for extent in list(image.buffer.shape)[2:])
        # n, f, h, w, then the reductions c, r, s
        strides = [image.stride(p) for p in range(7)]
        assert strides[2:4] == [2 * width, 2]
        assert strides[4:] == [height * width, width, 1]

    def test_an_index_that_is_read_from_memory_is_not_linear(self):
        f = Function()
        table, at = f.argument([9, 5], "f32"), f.argument([4], "i32")
        like = f.argument([4, 5], "f32")
        body = (
            "%r = arith.index_cast %a : i32 to index\n%c = linalg.index 1 : index\n"
            f"%y = tensor.extract {table.name}[%r, %c] : {table.type}"
        )
        (block,) = program_of(f.text(f.map([(at, "i")], "ij", like, body))).blocks
        gathered = next(a for a in accesses(block) if a.buffer.shape[0] == 9)
        assert not gathered.linear
        assert gathered.stride(0) is None
        assert gathered.uses(0)
        assert gathered.uses(1)


class TestCombiner:
    @pytest.mark.parametrize("operands", ["%a, %o", "%o, %a"])
    @pytest.mark.parametrize("op", ["addf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf"])
    def test_associative_updates_are_known_in_either_order(self, op, operands):
        reducer = combiner(reduction(f"arith.{op}", operands))
        assert reducer is not None
        assert reducer.repeats == (op[:3] in ("max", "min"))

    @pytest.mark.parametrize("op", ["addi", "muli", "maxsi", "minsi"])
    def test_so_are_those_of_integers(self, op):
        assert combiner(reduction(f"arith.{op}", dtype="i32")) is not None

    @pytest.mark.parametrize("op", ["subf", "divf", "remf"])
    def test_others_are_not(self, op):
        assert combiner(reduction(f"arith.{op}", "%o, %a")) is None

    def test_an_update_of_the_total_itself_is_none(self):
        f = Function()
        x, start = f.argument([4, 50], "f32"), f.filled("0.0", [4], "f32")
        body = "%p = arith.mulf %a, %o : T\n%y = arith.addf %p, %o : T"
        program = program_of(f.text(f.generic("iJ", [(x, "ij")], (start, "i"), body)))
        assert combiner(program.blocks[-1]) is None


class TestLanes:
    @pytest.mark.parametrize(("length", "blocks"), [(64, 3), (67, 4), (32, 3)])
    def test_what_fills_no_row_of_lanes_has_a_block_of_its_own(self, length, blocks):
        f = Function()
        x, start = f.argument([4, length], "f32"), f.filled("0.0", [4], "f32")
        total = f.generic("iJ", [(x, "ij")], (start, "i"), "%y = arith.addf %a, %o : T")
        program = program_of(f.text(total))
        split = lanes(program, program.blocks[0], 32, 16)
        assert len(split.blocks) == blocks
        assert [block.name for block in split.blocks][-1] == program.blocks[0].name
        points = [
            block.iters[-1].extent * (32 if block.name.endswith("_lanes") else 1)
            for block in split.blocks
            if block.reductions
        ]
        assert sum(points) == length


class TestInlining:
    def chain(self) -> tuple[Function, Value, Value]:
        """A doubled bias that a sum starts from, and what reads both of them."""
        f = Function()
        x, bias = f.argument([4, 50], "f32"), f.argument([4], "f32")
        start = f.map([(bias, "i")], "i", bias, "%y = arith.addf %a, %a : T")
        total = f.generic("iJ", [(x, "ij")], (start, "i"), "%y = arith.addf %a, %o : T")
        return f, start, total

    def test_an_initial_value_is_a_reader(self):
        f, start, total = self.chain()
        result = f.map([(total, "i"), (start, "i")], "i", total, "%y = arith.mulf %a, %b : T")
        program = program_of(f.text(result))
        first, reduced, last = program.blocks
        assert [b.name for b in consumers(program, first)] == [reduced.name, last.name]
        assert [b.name for b in producers(program, reduced)] == [first.name]

    def test_inlining_leaves_no_use_of_the_buffer_behind(self):
        f, start, total = self.chain()
        result = f.map([(total, "i"), (start, "i")], "i", total, "%y = arith.mulf %a, %b : T")
        program = program_of(f.text(result))
        gone = program.blocks[0]
        after = inlined(program, {f"{gone.name}.inline": 1})
        assert gone.name not in [block.name for block in after.blocks]
        assert not any(
            load.source.same_as(gone.buffer) for block in after.blocks for load in block.loads
        )
        assert not any(buffer.same_as(gone.buffer) for buffer in after.buffers)

    def test_a_result_stays(self):
        f, start, total = self.chain()
        program = program_of(f.text(total, start))
        assert len(inlined(program, {}).blocks) == len(program.blocks)


class TestTiles:
    def test_the_epilogue_is_the_only_reader_that_maps_point_to_point(self):
        f, product = matmul()
        program = program_of(
            f.text(
                f.map([(product, "ji")], "ij", f.argument([33, 6], "f32"), "%y = math.exp %a : T")
            )
        )
        core, last = program.blocks
        assert is_elementwise(last)
        found = epilogue_of(program, core)
        assert found is not None
        assert found.name == last.name

    def test_two_readers_are_no_epilogue(self):
        f, product = matmul()
        once = f.map([(product, "ij")], "ij", product, "%y = math.exp %a : T")
        again = f.map([(product, "ij")], "ij", product, "%y = math.tanh %a : T")
        program = program_of(f.text(once, again))
        assert epilogue_of(program, program.blocks[0]) is None

    def test_tiles_that_do_not_divide_are_padded_and_their_operands_packed(self):
        f, product = matmul(transposed=True)
        program = program_of(f.text(product))
        tiled = retile(program, program.blocks[0], {0: 4, 1: 16}, 1)
        names = [block.name for block in tiled.blocks]
        assert [name for name in names if "_panel" in name] != []
        core = next(block for block in tiled.blocks if block.name == program.blocks[0].name)
        assert [it.extent for it in core.spatial] == [2, 3, 4, 16]
        assert tiled.blocks[-1].predicate is not None

    def test_a_packed_operand_is_read_only_where_its_padding_says(self):
        """The panel has the condition, and the core none."""
        program = inlined(program_of(convolution("nhwc_hwcf", stride=1, pad=1)), {"pad.inline": 1})
        core = next(block for block in program.blocks if block.reductions)
        vector = len(core.spatial) - 1
        tiled = retile(program, core, {vector: 16}, vector, frozenset({0}))
        panel = next(block for block in tiled.blocks if block.name.endswith("_panel0"))
        assert "if_then_else" in str(panel.value)
        after = next(block for block in tiled.blocks if block.name == core.name)
        assert "if_then_else" in str(core.value)
        assert "if_then_else" not in str(after.value)


class TestKnobs:
    def test_the_vector_of_a_matmul_is_its_last_axis(self):
        f, product = matmul()
        (block,) = program_of(f.text(product)).blocks
        assert vector_axes(block, AVX512)[0] == "s1"

    def test_row_tiles_divide_or_are_padded(self):
        f, product = matmul()
        (block,) = program_of(f.text(product)).blocks
        assert set(tile_options(block, 0)) >= {1, 2, 3, 6}

    def test_one_element_leaves_little_to_decide(self):
        f = Function()
        x = f.argument([1], "f32")
        program = program_of(f.text(f.map([(x, "i")], "i", x, "%y = arith.addf %a, %a : T")))
        assert all(len(values) > 1 for values in knobs_of(program, AVX512).values())

    @pytest.mark.parametrize("vector_bytes", [16, 32, 64])
    @pytest.mark.parametrize("family", FAMILIES)
    @settings(derandomize=True, max_examples=12, deadline=None, database=None)
    @given(data=st.data())
    def test_knobs_that_had_no_say_can_be_left_out(self, family, vector_bytes, data):
        """On any width of vectors; nothing but InvalidKnobsError is ever raised."""
        program = lowered(read_text(data.draw(FAMILIES[family], "program")).text)[1]
        if program is None:
            return
        machine = Machine(vector_bytes, 2)
        options = knobs_of(program, machine)
        assert all(len(set(values)) == len(values) > 1 for values in options.values())
        chosen = data.draw(
            st.fixed_dictionaries({name: st.sampled_from(v) for name, v in options.items()}),
            "knobs",
        )
        try:
            sch, used = schedule_noting(program, chosen, machine)
        except InvalidKnobsError:
            return
        assert used.items() <= chosen.items()
        assert structural_equal(sch.mod, schedule(program, used, machine).mod)

    @pytest.mark.parametrize("family", FAMILIES)
    @settings(derandomize=True, max_examples=25, deadline=None, database=None)
    @given(data=st.data())
    def test_the_first_options_are_always_valid(self, family, data):
        program = lowered(read_text(data.draw(FAMILIES[family], "program")).text)[1]
        if program is not None:
            assert schedule(program, {}, AVX512).mod is not None
