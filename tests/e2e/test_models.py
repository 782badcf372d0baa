"""``costmodel tune`` on a whole model, as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

#: Two equal layers and one of another width.
MODEL = """\
func.func public @main(%x: tensor<48x64xf32>, %a: tensor<64x64xf32>, %b: tensor<64x64xf32>,
                       %c: tensor<64x32xf32>) -> tensor<48x32xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<48x64xf32>
  %0 = stablehlo.dot_general %x, %a, contracting_dims = [1] x [0]
      : (tensor<48x64xf32>, tensor<64x64xf32>) -> tensor<48x64xf32>
  %1 = stablehlo.maximum %0, %zero : tensor<48x64xf32>
  %2 = stablehlo.dot_general %1, %b, contracting_dims = [1] x [0]
      : (tensor<48x64xf32>, tensor<64x64xf32>) -> tensor<48x64xf32>
  %3 = stablehlo.maximum %2, %zero : tensor<48x64xf32>
  %4 = stablehlo.dot_general %3, %c, contracting_dims = [1] x [0]
      : (tensor<48x64xf32>, tensor<64x32xf32>) -> tensor<48x32xf32>
  return %4 : tensor<48x32xf32>
}
"""


@pytest.fixture
def model(place) -> Path:
    path = place.path / "model.mlir"
    path.write_text(MODEL)
    return path


def test_stablehlo_is_split_tuned_and_written(place, model) -> None:
    printed = place.json("tune", model, "--trials", "16", "--threads", "1", "--out", place.out)
    assert printed["kind"] == "model"
    assert sorted(one["count"] for one in printed["dispatches"]) == [1, 2]
    assert abs(sum(one["share"] for one in printed["dispatches"]) - 1.0) < 0.01
    assert printed["before_us"] >= printed["after_us"] > 0
    text = (place.out / "model.mlir").read_text()
    assert "stablehlo" not in text
    assert "func.func public @main" in text
    assert printed["artifacts"]["ir"] == str(place.out / "model.mlir")
    shown = place.call("tune", model, "--trials", "0", "--threads", "1", "--out", place.out)
    assert shown.returncode == 0, shown.stderr
    assert "before" in shown.stdout
    assert "this is a whole model" in shown.stderr


def test_what_it_is_can_be_said(place, model) -> None:
    as_kernel = place.json(
        "tune", model, "--kernel", "--backend", "iree", "--trials", "2", "--threads", "1",
        "--out", place.out,
    )  # fmt: skip
    assert "kind" not in as_kernel
    as_model = place.json(
        "tune", place.kernel, "--whole-model", "--trials", "2", "--threads", "1", "--out", place.out
    )
    assert as_model["kind"] == "model"


@pytest.mark.parametrize("way", [[], ["--whole-model"]])
def test_a_backend_that_is_none_is_refused_for_models_too(place, model, way: list[str]) -> None:
    done = place.call("tune", model, "--backend", "abacus", *way, "--json", "--out", place.out)
    assert done.returncode == 2
    assert "abacus" in json.loads(done.stdout)["error"]["message"]


def test_a_transform_script_is_for_one_kernel(place) -> None:
    script = Path(__file__).parents[2] / "kernels" / "scripts" / "matmul_tiled.mlir"
    done = place.call("tune", script, "--whole-model", "--json", "--out", place.out)
    assert done.returncode == 2
    assert "script" in json.loads(done.stdout)["error"]["message"]


def test_bad_input_is_exit_status_2(place, model) -> None:
    model.write_text(MODEL.replace("stablehlo.maximum %0", "stablehlo.mximum %0"))
    done = place.call("tune", model, "--whole-model", "--json", "--out", place.out)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["line"]) == ("ParseError", 6)
    assert not place.out.exists()


@pytest.mark.parametrize("phase", ["measuring sets of flags", "splitting", "dispatch "])
def test_an_interrupt_writes_the_best_so_far(place, model, phase: str) -> None:
    run = place.start("tune", model, "--trials", "400", "--threads", "1", "--out", place.out)
    for line in run.stderr:
        if line.startswith(f"costmodel: {phase}"):
            break
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert (place.out / "model.mlir").exists() == (phase != "measuring sets of flags")
    if place.store.exists():
        assert place.json("cache", "verify")["sound"]
