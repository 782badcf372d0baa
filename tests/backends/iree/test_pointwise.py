"""Convolutions of one point keep their tilings as the matrix products that they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.iree.compiler import compile_text
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.iree.release import own_program
from costmodel.backends.iree.roots import annotated, find_roots
from costmodel.backends.iree.schedules import Settings, Tiling
from costmodel.ir import Origin, read_located
from costmodel.measure.inputs import random_inputs
from costmodel.records import Workload

KERNELS = Path(__file__).resolve().parents[3] / "kernels"
TILES = {
    "distribution": (16, 16, 0),
    "vector_common_parallel": (4, 16, 0),
    "vector_reduction": (0, 0, 2),
}
STRIDED = """func.func @f(%x: tensor<1x8x28x28xf32>, %w: tensor<16x8x1x1xf32>,
    %o: tensor<1x16x14x14xf32>) -> tensor<1x16x14x14xf32> {
  %0 = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>}
    ins(%x, %w : tensor<1x8x28x28xf32>, tensor<16x8x1x1xf32>)
    outs(%o : tensor<1x16x14x14xf32>) -> tensor<1x16x14x14xf32>
  return %0 : tensor<1x16x14x14xf32>
}"""


def _results(text: str, workload: Workload, library: Path) -> list[np.ndarray]:
    compile_text(text, library)
    kernel = IREEKernel(library, workload, threads=1)
    kernel.prepare(random_inputs(workload.inputs, 0), [])
    kernel.run(1)
    return kernel.results()


@pytest.mark.parametrize("name", ["mobilenetv2_project_nhwc", "resnet50_conv1x1_nchw"])
def test_the_matrix_product_is_tiled_and_computes_the_same(name: str, tmp_path: Path) -> None:
    workload, origin = read_located(KERNELS / f"{name}.mlir")
    (root,) = find_roots(workload.text)
    assert len(root.loops) == 3
    settings = Settings(roots={root.key: Tiling(root.tiling.pipeline, TILES)})
    for text in (annotated(workload.text, settings), _own(workload, origin, settings)):
        assert "linalg.conv" not in text
        assert "linalg.matmul" in text
        (plain,) = _results(workload.text, workload, tmp_path / "plain.vmfb")
        (tiled,) = _results(text, workload, tmp_path / "tiled.vmfb")
        np.testing.assert_allclose(tiled, plain, rtol=1e-3, atol=1e-3)


def _own(workload: Workload, origin: Origin, settings: Settings) -> str:
    """In the user's file too, where the compiler obeys it."""
    text = own_program(workload, origin, settings)
    assert f"@{workload.function}(" in text
    return text


def test_with_strides_it_is_none() -> None:
    workload, _ = read_located(STRIDED)
    assert [type(root.key) for root in find_roots(workload.text)] == [str]
