"""What the generator writes is MLIR that IREE compiles; the same seed writes the same."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from costmodel.backends.iree.compiler import compile_workload
from costmodel.ir import analyze, read_workload

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
FAMILIES = (
    "matmul", "mlp", "batch_matmul", "matvec", "int8", "attention", "softmax", "norm", "reduction",
    "elementwise", "transpose", "conv2d", "depthwise", "conv1d", "pooling", "batchnorm", "rope",
    "embedding",
)  # fmt: skip


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DATASETS))
    for name in ("graphs", "mixtures", "drawing", "activations", "images", "mlir_text"):
        sys.modules.pop(name, None)
    return importlib.import_module("graphs")


def test_the_families_are_those(graphs: ModuleType) -> None:
    assert set(FAMILIES) == set(graphs.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_generated_can_be_read_and_is_tunable(graphs: ModuleType, family: str) -> None:
    hashes = set()
    for seed in range(12):
        text = graphs.generate(family, random.Random(seed), "f")
        assert text == graphs.generate(family, random.Random(seed), "f")
        workload = read_workload(text)
        assert analyze(workload).bytes > 0
        hashes.add(workload.hash)
    assert len(hashes) >= 10


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_generated_compiles(graphs: ModuleType, family: str, tmp_path: Path) -> None:
    for seed in range(40):
        workload = read_workload(graphs.generate(family, random.Random(seed), "f"))
        if analyze(workload).flops < 1e7:
            compile_workload(workload, tmp_path / "f.vmfb")
            return
    pytest.fail("no small function was drawn")


def test_mixtures_can_be_read_and_compile(graphs: ModuleType, tmp_path: Path) -> None:
    mixture = importlib.import_module("mixtures").mixture
    hashes, compiled = set(), 0
    for seed in range(60):
        text = mixture(random.Random(seed), "f")
        assert text == mixture(random.Random(seed), "f")
        workload = read_workload(text)
        hashes.add(workload.hash)
        if compiled < 8 and analyze(workload).flops < 1e6:
            compile_workload(workload, tmp_path / "f.vmfb")
            compiled += 1
    assert len(hashes) >= 58
    assert compiled == 8
