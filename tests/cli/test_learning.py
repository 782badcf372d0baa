"""``costmodel train`` and ``costmodel eval`` as they are run, on a small data set.

The training is a process of its own; what is asked of the weights then is asked in this one.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import call

ROOT = Path(__file__).resolve().parents[2]


def run(
    *arguments: object, status: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = call(*arguments, environment=environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = ROOT / "tests" / "learning" / "conftest.py"
    spec = importlib.util.spec_from_file_location("sample_of_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("cli") / "set"
    module.write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weights")
    arguments = ("train", "--data", data, "--out", out, "--steps", 4, "--width", 32, "--layers", 1,
                 "--threads", 1, "--json")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "costmodel.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == 4
    assert told["parts"]["train"] > 0
    assert "4/4" in done.stderr
    return out


def test_what_was_trained_is_judged(data: Path, weights: Path) -> None:
    judged = ("eval", "--data", data, "--weights", weights, "--baselines", "none")
    told = json.loads(run(*judged, "--json").stdout)
    assert told["leaked"] == 0
    assert {row["family"] for row in told["rows"]} >= {"all", "norm"}
    table = run(*judged, COLUMNS="70").stdout
    assert "transformer" in table
    assert "registers %" in table
    assert "0 functions are left out" in table


def test_predict_and_rank_use_it(weights: Path, tmp_path: Path) -> None:
    kernel = ROOT / "kernels" / "matmul_bias_relu.mlir"
    common = (kernel, "--threads", 2, "--weights", weights)

    def ask(command: str, *arguments: object) -> str:
        return run(command, *arguments, COSTMODEL_STORE=str(tmp_path / "s.sqlite")).stdout

    told = json.loads(ask("predict", *common, "--json"))
    untuned = told["untuned"]
    assert untuned["low_us"] <= untuned["latency_us"] <= untuned["high_us"]
    assert 0 <= untuned["vector_registers"] <= 32
    assert "untuned" in ask("predict", *common)
    loops = ROOT / "kernels" / "loops" / "matmul_affine.mlir"
    of_loops = json.loads(ask("predict", loops, *common[1:], "--json"))
    assert of_loops["untuned"]["compiler"] == "tvm"
    assert "has not learned what tuning finds" in " ".join(told["notes"])
    assert "tuning" not in " ".join(of_loops["notes"])  # nobody tunes loops
    ranked = json.loads(ask("rank", *common, "--n", 12, "--backend", "tvm", "--json"))
    assert ranked["model"].startswith("transformer")
    assert len(ranked["schedules"]) == 12


def test_bad_input_is_status_2(data: Path, weights: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("train", "--data", tmp_path, "--out", tmp_path / "o"), "is no data set"),
        (("eval", "--data", tmp_path, "--weights", weights), "is no data set"),
        (("eval", "--data", data, "--weights", tmp_path), "holds no weights"),
        (("predict", ROOT / "kernels" / "bert_softmax.mlir", "--weights", tmp_path),
         "holds no weights"),
    ):  # fmt: skip
        done = run(*arguments, status=2)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
