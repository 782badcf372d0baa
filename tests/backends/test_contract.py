"""The contract, run by each backend, the tests' own C backend included."""

from __future__ import annotations

import json
import platform
import random
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.registry import BACKENDS, load
from costmodel.backends.replay import Recording, ReplayBackend
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.errors import BackendError
from costmodel.ir import read_text
from costmodel.records import Schedule, Target
from costmodel.target import host_target
from tests.backends.contract import BackendContract, SearchContract
from tests.measure import c_backend

RECORDINGS = Path(__file__).parents[1] / "data" / "replay"

DENSE = """func.func @dense(
    %x: tensor<33x40xf32>, %w: tensor<40x50xf32>, %b: tensor<50xf32>, %s: f32)
    -> (tensor<33x50xf32>, tensor<f32>) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<33x50xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<33x50xf32>) -> tensor<33x50xf32>
  %product = linalg.matmul ins(%x, %w : tensor<33x40xf32>, tensor<40x50xf32>)
                           outs(%init : tensor<33x50xf32>) -> tensor<33x50xf32>
  %sum = linalg.generic {
      indexing_maps = [
          affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %b : tensor<33x50xf32>, tensor<50xf32>) outs(%empty : tensor<33x50xf32>) {
    ^bb0(%a: f32, %c: f32, %unused: f32):
      %scaled = arith.mulf %a, %s : f32
      %y = arith.addf %scaled, %c : f32
      linalg.yield %y : f32
  } -> tensor<33x50xf32>
  %none = tensor.empty() : tensor<f32>
  %start = linalg.fill ins(%zero : f32) outs(%none : tensor<f32>) -> tensor<f32>
  %total = linalg.reduce {arith.addf} ins(%b : tensor<50xf32>) outs(%start : tensor<f32>)
      dimensions = [0]
  return %sum, %total : tensor<33x50xf32>, tensor<f32>
}
"""


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording.load(RECORDINGS / "matmul_128x768x768.npz")


class Compiles(SearchContract):
    """What the backends have in common that compile the dense layer for this machine."""

    @pytest.fixture(scope="class")
    @classmethod
    def workload(cls):
        return read_text(DENSE)

    @pytest.fixture(scope="class")
    @classmethod
    def device(cls):
        return host_target(measure=False)

    def expected(self, inputs):
        x, w, b, s = inputs
        return [(x @ w) * s + b, b.sum()]


class TestTVM(Compiles):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls):
        return TVMBackend()

    @pytest.fixture
    def refused(self):
        texts = (
            "not JSON",
            '{"kind": "of another backend"}',
            '{"kind": "template", "knobs": {"a": 1}}',
        )
        return [Schedule("tvm", text) for text in texts]

    def test_what_the_compiler_refuses_is_an_invalid_schedule(
        self, backend, workload, device, tmp_path
    ):
        """A schedule of a real trace, for another workload."""
        text = json.dumps(
            {"kind": "trace", "trace": [[["GetSBlock", [], ["no", "main"], ["b0"]]], []]}
        )
        with pytest.raises(Exception, match="does not apply here") as caught:
            backend.build(workload, Schedule("tvm", text), device, tmp_path / "k.so")
        assert caught.value.exit_status == 2


class TestIREE(Compiles):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls):
        return IREEBackend()

    @pytest.fixture
    def refused(self):
        tiled = {"pipeline": "DoubleTilingExpert", "distribution": [8, 8, 0]}

        def settings(**changes):
            none = {"kind": "iree", "flags": {}, "roots": {}, "matched": {}, "cuts": []}
            return none | changes

        settings_of_none = (
            settings(roots={"999": tiled}),
            settings(roots={"-1": tiled}),
            settings(roots={"5": {**tiled, "pipeline": "NoSuch"}}),
            settings(roots={"5": {**tiled, "no_level": [1]}}),
            settings(roots={"5": {**tiled, "distribution": [-1]}}),
            settings(matched={"^bb0(%arg0: tensor<33x40xf32>):": tiled}),
            settings(matched={"^bb0():": {**tiled, "pipeline": "NoSuch"}}),
            settings(flags={"no-such-flag": "true"}),
            settings(flags={"iree-opt-level": 3}),
            settings(cuts=["1"]),
            settings(roots={"5" * 5000: tiled}),
            settings(roots={"5": {**tiled, "distribution": [10**30, 8, 0]}}),
            settings(cuts=[0]),
            {"kind": "iree"},
            ["a list"],
        )
        texts = ["not JSON", *map(json.dumps, settings_of_none)]
        other = Schedule("tvm", json.dumps({"kind": "default"}))
        return [*(Schedule("iree", text) for text in texts), other]


SCRIPT = """
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %product = transform.structured.match ops{["linalg.matmul"]} in %m
        : (!transform.any_op) -> !transform.any_op
    transform.tune.alternatives<"way"> {
      %rows = transform.tune.knob<"rows"> = 16 from options = [4, 8, 16, 32] -> !transform.any_param
      %columns = transform.tune.knob<"columns"> options = [8, 16, 48] -> !transform.any_param
      %lanes = transform.tune.knob<"lanes"> options = [4, 8] -> !transform.param<i64>
      transform.annotate %product "distribution_0" = %rows : !transform.any_op, !transform.any_param
      transform.annotate %product "distribution_1" = %columns
          : !transform.any_op, !transform.any_param
      transform.annotate %product "vector_common_parallel_1" = %lanes
          : !transform.any_op, !transform.param<i64>
    }, {
      %nest = transform.structured.generalize %product : (!transform.any_op) -> !transform.any_op
    }
    transform.yield
  }
"""


class TestIREEWithAScript(Compiles):
    """The transform script in the file is the space."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls):
        return IREEBackend()

    @pytest.fixture(scope="class")
    @classmethod
    def workload(cls):
        return read_text(f"module attributes {{transform.with_named_sequence}} {{{DENSE}{SCRIPT}}}")

    @pytest.fixture
    def refused(self, space):
        (guess,) = space.guesses()
        data = json.loads(guess.text)
        assert data["knobs"] == {"way": 0, "rows": 16, "columns": 8, "lanes": 4}
        others = (
            {"knobs": data["knobs"] | {"rows": 5}},
            {"knobs": data["knobs"] | {"nothing": 5}},
            {"knobs": data["knobs"] | {"way": 1}},
            {"knobs": data["knobs"] | {"rows": 16.0}},
            {"knobs": data["knobs"] | {"rows": True}},
            {"knobs": {"way": 0}},
            {"knobs": []},
            {"script": 1},
            {"script": "module {"},
            {"function": "nothing"},
            {"more": 1},
        )
        texts = ["not JSON", '{"kind": "script"}', *(json.dumps(data | other) for other in others)]
        return [*(Schedule("iree", text) for text in texts), Schedule("tvm", guess.text)]

    @pytest.fixture
    def schedule(self, space):
        return space.guesses()[0]


class TestAuto(Compiles):
    """Both compilers behind one space."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls):
        return load("auto")

    @pytest.fixture
    def refused(self):
        texts = (("iree", "not JSON"), ("tvm", '{"kind": "trace"}'))
        return [Schedule(backend, text) for backend, text in texts]

    def test_schedules_of_both_are_guessed_drawn_and_mutated(self, space):
        rng = random.Random(0)
        drawn = space.sample(9, rng)
        assert space.default().backend == "iree"
        for schedules in (space.guesses()[:4], drawn):
            assert {schedule.backend for schedule in schedules} == {"iree", "tvm"}
        for schedule in drawn:
            child = space.mutate(schedule, rng)
            assert child is None or child.backend == schedule.backend

    def test_an_unknown_part_is_refused(self, backend, space, workload, device, tmp_path):
        other = Schedule("nobody", "{}")
        assert not space.accepts(other)
        assert space.mutate(other, random.Random(0)) is None
        with pytest.raises(BackendError, match="nobody"):
            backend.build(workload, other, device, tmp_path / "k")


class TestReplay(SearchContract):
    computes = False

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, recording):
        return ReplayBackend((recording,))

    @pytest.fixture(scope="class")
    @classmethod
    def workload(cls, recording):
        return recording.workload

    @pytest.fixture(scope="class")
    @classmethod
    def device(cls, recording):
        return recording.target

    @pytest.fixture
    def refused(self):
        return [Schedule("tvm", "{}")]


class TestC(BackendContract):
    """What the measuring tests build on is a backend, too, but for its space."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls):
        return c_backend.CBackend()

    @pytest.fixture(scope="class")
    @classmethod
    def workload(cls):
        return c_backend.WORKLOAD

    @pytest.fixture(scope="class")
    @classmethod
    def device(cls):
        return Target("cpu", platform.machine(), "test", (), 1, (), 16)

    @pytest.fixture
    def refused(self):
        return [c_backend.schedule("uncompilable"), c_backend.schedule("invalid")]

    def expected(self, inputs):
        return [np.matmul(*inputs)]


def test_every_registered_backend_is_under_contract():
    under_contract = {TestAuto: "auto", TestIREE: "iree", TestTVM: "tvm"}
    assert set(BACKENDS) == set(under_contract.values())
    for name in BACKENDS:
        assert load(name).name == name
