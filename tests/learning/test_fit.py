"""Training from a data set to weights, in small: repeatable, resumable, and read without trust."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from costmodel.corpus.export import MANIFEST
from costmodel.corpus.tables import sha256
from costmodel.errors import CostModelError, UsageError
from costmodel.ir import read_workload
from costmodel.learning.evaluate import evaluate
from costmodel.learning.fit import FitOptions, fit
from costmodel.models.base import Example, Query
from costmodel.models.shipped import choose
from costmodel.models.transformer import training
from costmodel.models.transformer.inputs import MOST_CHOICES, MOST_OPS
from costmodel.models.transformer.model import Transformer
from costmodel.models.transformer.training import CHECKPOINT, CURVES, TrainingOptions
from costmodel.models.transformer.weights import FACTS, Weights, load_weights, save_weights
from costmodel.records import Candidate, Schedule, Workload
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
DEFAULT = Schedule("iree", json.dumps({"kind": "default"}))


def options(steps: int = 6, seed: int = 0) -> FitOptions:
    training = TrainingOptions(
        steps=steps, every=3, seed=seed, functions=6, workloads=2, schedules=6, warmup=2
    )
    sizes = {"feed_forward": 32, "heads": 2, "graph_rounds": 1, "schedule_layers": 1}
    return FitOptions(training, width=32, layers=1, distil_steps=2, threads=1, sizes=sizes)


@pytest.fixture(scope="module")
def trained(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    fit(sample, out, options())
    return out


@pytest.fixture
def weights(trained: Path) -> Weights:
    return load_weights(trained)


def test_the_same_seed_gives_the_same_weights(sample: Path, trained: Path, tmp_path: Path) -> None:
    fit(sample, tmp_path, options())
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert sha256(tmp_path / name) == sha256(trained / name), name
    fit(sample, tmp_path / "other", options(seed=1))
    other = tmp_path / "other" / "model.safetensors"
    assert sha256(other) != sha256(trained / "model.safetensors")


def test_a_run_that_was_ended_goes_on_as_if_it_had_not(
    sample: Path, trained: Path, tmp_path: Path
) -> None:
    class EndedError(Exception):
        pass

    def end(step: int, *_: object) -> None:
        if step == 3:
            raise EndedError

    with pytest.raises(EndedError):
        fit(sample, tmp_path, options(), listener=end)
    assert not (tmp_path / FACTS).exists()
    fit(sample, tmp_path, options(), resume=True)
    assert sha256(tmp_path / "model.safetensors") == sha256(trained / "model.safetensors")
    steps = [json.loads(line)["step"] for line in (tmp_path / CURVES).read_text().splitlines()]
    assert steps == [3, 6]


def test_an_interrupt_loses_no_step(
    sample: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruptible: None,
) -> None:
    """A Ctrl-C between checkpoints."""
    learn = training._State.learn

    def interrupted(state: Any, *batch: Any) -> dict[str, float]:
        if state.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(state, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(training._State, "learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(sample, tmp_path, options())
    fit(sample, tmp_path, options(), resume=True)
    assert sha256(tmp_path / "model.safetensors") == sha256(trained / "model.safetensors")


def test_a_checkpoint_of_another_run_is_refused(sample: Path, tmp_path: Path) -> None:
    fit(sample, tmp_path, options())
    with pytest.raises(UsageError, match="another run: seed was 0 and is 7"):
        fit(sample, tmp_path, options(seed=7), resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="cannot be read as a checkpoint"):
        fit(sample, tmp_path, options(), resume=True)


def test_training_makes_the_loss_smaller(sample: Path, tmp_path: Path) -> None:
    fit(sample, tmp_path, options(steps=100))
    rows = [json.loads(line)["value"] for line in (tmp_path / CURVES).read_text().splitlines()]
    # Batches of functions and of schedules take turns, with losses of their own.
    assert np.mean(rows[-12:]) < 0.8 * np.mean(rows[:12])


def estimates(weights: Weights, workload: Workload, schedules: list[Schedule]) -> np.ndarray:
    found = Transformer(weights).estimates(workload, host_target(2, measure=False), schedules)
    return np.stack([found.log_us, found.low, found.high, found.utilization])


RENAMED = """
func.func @other(%x: tensor<512x1024xf32>, %w: tensor<1024x256xf32>) -> tensor<512x256xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<512x256xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<512x256xf32>) -> tensor<512x256xf32>
  %out = linalg.matmul {note = "mine"} ins(%x, %w : tensor<512x1024xf32>, tensor<1024x256xf32>)
      outs(%start : tensor<512x256xf32>) -> tensor<512x256xf32>
  return %out : tensor<512x256xf32>
}
"""


STRIDED = """
func.func @strided(%x: tensor<1x9x9x4xf32>, %w: tensor<3x3x4x8xf32>) -> tensor<1x4x4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x4x4x8xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  %out = linalg.conv_2d_nhwc_hwcf {STRIDES, DILATIONS}
      ins(%x, %w : tensor<1x9x9x4xf32>, tensor<3x3x4x8xf32>)
      outs(%start : tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  return %out : tensor<1x4x4x8xf32>
}
"""
STRIDES, DILATIONS = "strides = dense<2> : tensor<2xi64>", "dilations = dense<1> : tensor<2xi64>"


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        (RENAMED.replace(' {note = "mine"}', "").replace("%x", "%a").replace("@other", "@f"),
         RENAMED),
        (STRIDED.replace("STRIDES", STRIDES).replace("DILATIONS", DILATIONS),
         STRIDED.replace("STRIDES", DILATIONS).replace("DILATIONS", STRIDES)),
    ],
    ids=["names", "order of attributes"],
)  # fmt: skip
def test_names_and_order_change_no_digit(weights: Weights, plain: str, other: str) -> None:
    assert plain != other
    first, second = read_workload(plain), read_workload(other)
    assert np.array_equal(
        estimates(weights, first, [DEFAULT]), estimates(weights, second, [DEFAULT])
    )


def test_bounds_enclose_the_median_and_predictions_are_plausible(weights: Weights) -> None:
    for name in ("bert_softmax", "matmul_bias_relu", "resnet50_conv3x3_nhwc"):
        log_us, low, high, use = estimates(
            weights, read_workload(KERNELS / f"{name}.mlir"), [DEFAULT]
        )
        assert low <= log_us <= high
        assert 0 <= use <= 1
        assert 0 < np.exp(log_us) < 1e8


def test_a_workload_as_a_whole_is_predicted_untuned_and_tuned(weights: Weights) -> None:
    model, target = Transformer(weights), host_target(2, measure=False)
    for name, backend in (("bert_softmax", "iree"), ("loops/jacobi_scf", "tvm")):
        found = model.wholes(read_workload(KERNELS / f"{name}.mlir"), target, backend)
        assert len(found.log_us) == 2
        assert (found.low <= found.log_us).all()
        assert (found.log_us <= found.high).all()


def test_measurements_shift_the_level_and_not_the_order(weights: Weights) -> None:
    model, target = Transformer(weights), host_target(2, measure=False)
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    knobs = [{"matmul.unroll": n, "matmul.rows0_s0": n} for n in (1, 2, 4, 8)]
    schedules = [Schedule("tvm", json.dumps({"kind": "template", "knobs": k})) for k in knobs]
    queries = [
        Query(Candidate(workload, s, target), np.zeros((1, 1), np.float32)) for s in schedules
    ]
    before = np.array([p.latency_us for p in model.predict(queries)])
    assert model.knows(queries)
    model.update([Example(queries[0], before[0] * 8)] * 20)
    after = np.array([p.latency_us for p in model.predict(queries)])
    assert np.allclose(after / before, after[0] / before[0])
    assert 4 < after[0] / before[0] < 8
    assert np.allclose(model.expected_us(queries), before)


def test_many_schedules_go_through_the_cascade(weights: Weights) -> None:
    model, target = Transformer(weights), host_target(2, measure=False)
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    schedules = [
        Schedule("tvm", json.dumps({"kind": "template", "knobs": {"matmul.unroll": n}}))
        for n in range(1, 400)
    ]
    queries = [
        Query(Candidate(workload, s, target), np.zeros((1, 1), np.float32)) for s in schedules
    ]
    told = np.log([p.latency_us for p in model.predict(queries)])
    found = model.estimates(workload, target, schedules)
    read = found.log_us + np.log(10.0) * found.failure
    best = np.argsort(model.skim(workload, target, schedules), kind="stable")[:256]
    assert np.allclose(told[best], read[best], atol=1e-5)
    others = np.setdiff1d(np.arange(len(schedules)), best)
    assert told[others].min() >= np.quantile(told[best], 0.25) - 1e-5
    # What was not read is read when it is asked for alone.
    one = int(others[0])
    assert np.log(model.predict([queries[one]])[0].latency_us) == pytest.approx(read[one], abs=1e-5)


def test_a_schedule_sees_its_own_backend_alone(weights: Weights) -> None:
    """Whether sites of another were read changes nothing, nor who asks for what else."""
    target = host_target(2, measure=False)
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    asked = [
        Schedule("tvm", json.dumps({"kind": "template", "knobs": {"matmul.rows0_s0": 4}})),
        Schedule("tvm", json.dumps({"kind": "default"})),
    ]
    alone = Transformer(weights).estimates(workload, target, asked)
    beside = Transformer(weights).estimates(workload, target, [*asked, DEFAULT])
    assert np.allclose(alone.log_us, beside.log_us[:2], atol=1e-5)
    whole = Transformer(weights).wholes(workload, target, "tvm")
    assert whole.log_us[0] == pytest.approx(alone.log_us[1], abs=1e-5)
    assert whole.low[0] == pytest.approx(alone.low[1], abs=1e-5)


def test_a_schedule_that_cannot_be_read_is_predicted_all_the_same(weights: Weights) -> None:
    model, target = Transformer(weights), host_target(2, measure=False)
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    knobs = {f"matmul.odd{n}": 1 for n in range(MOST_CHOICES + 1)}
    long = Schedule("tvm", json.dumps({"kind": "template", "knobs": knobs}))
    query = Query(Candidate(workload, long, target), np.zeros((1, 1), np.float32))
    assert 0 < model.predict([query])[0].latency_us < 1e9


def test_what_it_does_not_read_is_said(weights: Weights) -> None:
    model, target = Transformer(weights), host_target(2, measure=False)
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    body = "\n".join(f"%{n + 1} = arith.addf %{n}, %{n} : f32" for n in range(MOST_OPS))
    long = (
        "module { func.func @main(%arg0: f32) -> f32 {\n%0 = arith.negf %arg0 : f32\n"
        f"{body}\nreturn %{MOST_OPS} : f32 }} }}"
    )
    assert "at the most" in model.why_not(Workload(long, "main", (), ()), target, {"iree"})
    with pytest.raises(CostModelError, match="operations"):
        model.estimates(Workload(long, "main", (), ()), target, [DEFAULT])
    query = Query(Candidate(workload, Schedule("replay", "{}"), target), np.zeros((1, 1)))
    assert not model.knows([query])


def test_the_evaluation_has_each_family_and_no_leak(sample: Path, trained: Path) -> None:
    found = evaluate(sample, trained, baselines="fast")
    assert found.leaked == 0
    models = {row.model for row in found.rows if row.level == "function"}
    assert models == {"transformer", "roofline", "ridge on op counts", "XGBoost on op counts"}
    families = {row.family for row in found.rows if row.part == "families"}
    assert families == {"all", "norm"}
    for row in found.rows:
        if row.level == "function" and row.family == "all":
            assert row.scores["functions"] > 0
            assert np.isfinite(row.scores["median_error"])


def test_functions_that_were_learned_from_are_left_out_under_other_rules(
    copy_of_sample: Callable[[], Path], trained: Path
) -> None:
    data = copy_of_sample()
    rules = {"test": ["matmul", "norm"], "validation": ["softmax"]}
    (data / "splits.json").write_text(json.dumps(rules), encoding="utf-8")
    found = evaluate(data, trained, baselines="none")
    assert found.leaked > 0
    judged = {row.family for row in found.rows if row.part == "families"}
    assert judged == {"all", "norm"}
    rules = {"test": ["matmul"], "validation": ["softmax"], "shapes": 0.0}
    (data / "splits.json").write_text(json.dumps(rules), encoding="utf-8")
    with pytest.raises(UsageError, match="learned from every function"):
        evaluate(data, trained, baselines="none")


def test_what_was_not_learned_is_said_not_to_be_known(trained: Path, tmp_path: Path) -> None:
    weights = load_weights(trained)
    assert weights.training["backends"] == ["iree", "tvm"]
    assert not Transformer(weights).tells_tuned  # no function has so many schedules
    training = {**weights.training, "backends": ["tvm"]}
    save_weights(replace(weights, training=training), tmp_path)
    target = weights.targets[0]
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    assert choose(workload, target, {"tvm"}, tmp_path).model is not None
    found = choose(workload, target, {"tvm", "iree"}, tmp_path)
    assert found.model is None
    assert "no schedules of iree" in found.reason


ALL_BASELINES = """
import sys
from pathlib import Path
from costmodel.learning import evaluate
evaluate._SEQUENCE_STEPS = 4
found = evaluate.evaluate(Path(sys.argv[1]), Path(sys.argv[2]), baselines="all")
print(*sorted({f"{row.level}: {row.model}" for row in found.rows}), sep="\\n")
"""


def test_all_baselines_learn_and_are_judged(few: Path, trained: Path) -> None:
    """In a process of its own: pools of processes leave a helper behind."""
    done = subprocess.run(
        [sys.executable, "-c", ALL_BASELINES, str(few), str(trained)],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = {
        "function: LSTM on tokens", "function: 1-D convolution on tokens",
        "schedule: XGBoost on MetaSchedule features", "schedule: XGBoost on op counts and choices",
    }  # fmt: skip
    assert wanted <= set(done.stdout.splitlines())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "model.safetensors").write_bytes(b"x" * 100), "SHA-256 differs"),
        (lambda p: (p / "model.safetensors").unlink(), "lack model.safetensors"),
        (lambda p: (p / FACTS).unlink(), "holds no weights"),
        (lambda p: (p / FACTS).write_text("{}"), "cannot be read"),
        (lambda p: (p / FACTS).write_text(
            (p / FACTS).read_text().replace("costmodel-transformer", "other")), "of the format"),
        (lambda p: _replace(p, "config.json", '"costmodel"', '"bert"'), "of another model"),
        (lambda p: _replace(p, "config.json", '"width": 32', '"width": 64'), "cannot be read"),
        (lambda p: _truncated(p), "cannot be read"),
    ],
)  # fmt: skip
def test_bad_weights_are_refused(
    trained: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage(tmp_path)
    with pytest.raises(UsageError, match=message):
        load_weights(tmp_path)


def _replace(folder: Path, name: str, old: str, new: str) -> None:
    """Change a file and its sum: forged, not broken on the way."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    _resum(folder)


def _truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    _resum(folder)


def _resum(folder: Path) -> None:
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    facts["files"] = {name: sha256(folder / name) for name in facts["files"]}
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"test": ["norm"], "validation": []}, "'validation' of the split is empty"),
        ({"test": ["norm"], "validation": ["none such"]}, "no function of the family 'none such'"),
        ({"test": "norm", "validation": ["rope"]}, "'test' is a list of names"),
        ({"test": ["norm"], "validation": ["norm"]}, "for the test and for validation"),
        ({"test": ["norm"]}, "cannot be read"),
        ({"test": ["norm"], "validation": ["rope"], "odd": 1}, "'odd' is none of"),
        ({"test": ["norm"], "validation": ["rope"], "shapes": 2}, "from 0 to 1"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(
    copy_of_sample: Callable[[], Path], tmp_path: Path, rules: dict, message: str
) -> None:
    data = copy_of_sample()
    (data / "splits.json").write_text(json.dumps(rules), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        fit(data, tmp_path / "out", options())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "splits.json").unlink(), "has no splits.json"),
        (lambda p: (p / MANIFEST).unlink(), "is no data set"),
        (lambda p: (p / MANIFEST).write_text("[]"), "cannot be read"),
        (lambda p: (p / "measurements-000.parquet").write_bytes(b"PAR1"), "SHA-256 differs"),
        (lambda p: (p / "measurements-000.parquet").unlink(), "lacks measurements-000"),
    ],
)
def test_bad_data_is_refused(
    copy_of_sample: Callable[[], Path], tmp_path: Path, damage: Callable[[Path], object],
    message: str,
) -> None:  # fmt: skip
    data = copy_of_sample()
    damage(data)
    with pytest.raises(UsageError, match=message):
        fit(data, tmp_path / "out", options())


def test_scores_do_not_depend_on_the_number_of_threads(weights: Weights) -> None:
    workload = read_workload(KERNELS / "bert_softmax.mlir")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = estimates(weights, workload, [DEFAULT])
        torch.set_num_threads(2)
        two = estimates(weights, workload, [DEFAULT])
    finally:
        torch.set_num_threads(before)
    assert np.allclose(one, two, atol=1e-5)
