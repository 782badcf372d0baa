"""Models fall into dispatches that are programs of their own, and come together again."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.dispatches import find_dispatches, structured_count
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.iree.model import ModelBackend
from costmodel.backends.iree.outline import outline
from costmodel.backends.iree.roots import configured_tilings, find_roots
from costmodel.backends.iree.schedules import Settings
from costmodel.ir import parse, read_text, read_workload, walk
from costmodel.measure.inputs import random_inputs
from costmodel.target import host_target
from costmodel.whole.split import combined, split
from costmodel.whole.tuning import is_model

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "kernels/models").glob("*.mlir"))


def _names(text: str) -> list[str]:
    module = parse.parse_trusted(text)
    return [op.operation.name for op in walk.operations(module.operation)]


def test_equal_layers_are_one_dispatch_and_constants_come_in(layers: str) -> None:
    model = read_text(layers)
    (part,) = split(model)
    assert part.count == 3
    assert "dense<" not in part.workload.text
    assert len(part.workload.text) < len(model.text) / 4
    assert [str(kind) for kind in part.workload.outputs] == ["64x96xf32"]
    assert part.workload.function == "forward_matmul_1"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_operations_stand_for_operations_of_the_same_name(path: Path) -> None:
    model = read_workload(path)
    names = _names(model.text)
    parts = split(model)
    assert sum(part.count for part in parts) > len(parts) > 8
    for part in parts:
        own = _names(part.workload.text)
        for instance in part.instances:
            assert all(own[place] == names[whole] for place, whole in instance.items())
            assert {own[place] for place in instance} & set(_heavy(own)) == set(_heavy(own))


def _heavy(names: list[str]) -> list[str]:
    return [name for name in names if re.search(r"matmul|conv", name)]


def test_dispatches_one_after_the_other_compute_the_model(layers: str, tmp_path: Path) -> None:
    model = read_text(layers)
    groups = find_dispatches(model.text)
    assert len(groups) == 3
    inputs = random_inputs(model.inputs, 0)
    (expected,) = _run(model.text, inputs, tmp_path / "model.vmfb")
    # Every layer reads what the one before gave; weights and bias are the same arguments.
    value, weights = inputs[0], _weights(layers, inputs)
    for group, weight in zip(groups, weights, strict=True):
        (outlined,) = outline(model.text, [group])
        assert outlined is not None
        by_shape = {value.shape: value, weight.shape: weight, inputs[1].shape: inputs[1]}
        workload = read_text(outlined.text)
        arrays = [by_shape[kind.shape] for kind in workload.inputs]
        (value,) = _run(outlined.text, arrays, tmp_path / "part.vmfb")
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


def _weights(text: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
    rows = re.search(r"dense<(\[\[.*?\]\])>", text)
    assert rows is not None
    constant = np.array([
        [float(value) for value in row.split(",")] for row in re.findall(r"\[([^\[\]]+)\]", rows[1])
    ], np.float32)  # fmt: skip
    return [*inputs[2:], constant]


def _run(text: str, inputs: list[np.ndarray], library: Path) -> list[np.ndarray]:
    workload = read_text(text)
    compile_workload(workload, library)
    kernel = IREEKernel(library, workload, threads=1)
    kernel.prepare(inputs, [])
    kernel.run(1)
    return kernel.results()


def test_tilings_of_a_dispatch_are_obeyed_in_all_its_instances(layers: str) -> None:
    model = read_text(layers)
    (part,) = split(model)
    (root,) = find_roots(part.workload.text)
    tiling = type(root.tiling)(
        root.tiling.pipeline,
        {
            "distribution": (16, 48, 0),
            "vector_common_parallel": (4, 16, 0),
            "vector_reduction": (0, 0, 4),
        },
    )
    settings = combined({}, [(part, Settings(roots={root.key: tiling}))])
    names = _names(model.text)
    assert [names[place] for place in settings.roots] == ["linalg.matmul"] * 3
    # Equal dispatches become one; the layer with the constant is one of them.
    assert tiling in configured_tilings(model.text, settings).values()


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").glob("*.mlir")), ids=lambda p: p.stem)
def test_kernels_are_no_models(path: Path) -> None:
    assert not is_model(path)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_are_models(path: Path) -> None:
    assert is_model(path)


def test_what_is_filled_is_no_dispatch() -> None:
    text = read_workload(ROOT / "kernels/matmul_bias_relu.mlir").text
    assert structured_count(text) == 2
    assert len(find_dispatches(text)) == 1


def test_tilings_of_what_the_compiler_makes_of_operations_go_into_the_model() -> None:
    """A softmax's reductions, which no attribute reaches; only known matchers are accepted."""
    model = read_workload(ROOT / "kernels/bert_softmax.mlir")
    pairs = []
    for part in split(model):
        for root in find_roots(part.workload.text):
            levels = dict(root.tiling.levels)
            levels["distribution"] = (24, *levels["distribution"][1:])
            pairs.append((part, Settings().tiled({root.key: replace(root.tiling, levels=levels)})))
    settings = combined({}, pairs)
    assert settings.matched
    found = configured_tilings(model.text, settings)
    assert {key: found.get(key) for key in settings.matched} == settings.matched
    space = ModelBackend().space(model, host_target(measure=False))
    assert space.accepts(settings.schedule())
    (matcher, tiling), *_ = settings.matched.items()
    foreign = Settings(matched={matcher.replace("1536", "1537"): tiling})
    assert not space.accepts(foreign.schedule())
