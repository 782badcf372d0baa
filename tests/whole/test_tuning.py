"""A model is tuned, written as a module that plain tools take, and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import costmodel
from costmodel.backends.iree.compiler import _compiler
from costmodel.errors import InputError
from costmodel.store import open_store
from costmodel.whole.dispatches import Dispatch, share_out
from costmodel.whole.split import Part
from tests.commands import compiled

KEYS = {
    "after_us", "artifacts", "backend", "before_us", "cached", "dispatches", "failed", "flags",
    "function", "kind", "max_error", "measured", "noise_us", "schedule", "seconds", "speedup",
    "target", "trials", "workload",
}  # fmt: skip


@pytest.fixture(scope="module")
def tuned(layers: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("tuned")
    source = folder / "layers.mlir"
    source.write_text(layers)
    result = costmodel.tune_model(source, trials=18, store=folder / "store.sqlite",
                                  out=folder / "out", threads=1)  # fmt: skip
    return folder, result


def test_the_result_says_what_was_done(tuned: tuple[Path, Any]) -> None:
    folder, result = tuned
    printed = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(printed) == KEYS
    assert printed["kind"] == "model"
    assert printed["function"] == "forward"
    assert printed["speedup"] >= 1.0
    assert 0 < printed["measured"] <= 18
    (dispatch,) = printed["dispatches"]
    assert dispatch["count"] == 3
    assert dispatch["share"] == 1.0
    assert dispatch["trials"] >= 4
    assert dispatch["default_us"] >= dispatch["tuned_us"] > 0
    assert not result.whole.problems
    report = json.loads((folder / "out/report.json").read_text())
    assert report["dispatches"] == printed["dispatches"]
    assert report["before_us"] == printed["before_us"]


def test_its_files_are_all_that_plain_tools_need(tuned: tuple[Path, Any]) -> None:
    folder, result = tuned
    out = folder / "out"
    assert {path.name for path in out.iterdir()} == {
        "model.mlir", "model.vmfb", "flags.txt", "run_model.py", "report.json", "schedule.json",
        "search.png",
    }  # fmt: skip
    text = (out / "model.mlir").read_text()
    assert "module @layers" in text
    assert "@forward" in text
    assert "my.note" in text
    wanted = 3 * bool(result.whole.schedule.get("roots"))
    assert text.count("compilation_info = ") == wanted
    opt = Path(_compiler()).with_name("iree-opt")
    compiled(opt, out / "model.mlir", "-o", "/dev/null")
    flags = (out / "flags.txt").read_text().split()
    compiled(_compiler(), *flags, out / "model.mlir", "-o", folder / "again.vmfb")
    done = subprocess.run(
        [sys.executable, out / "run_model.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "float32 (64, 96) [" in done.stdout


def test_dispatches_are_workloads_of_the_store(tuned: tuple[Path, Any]) -> None:
    folder, result = tuned
    with open_store(folder / "store.sqlite", read_only=True) as store:
        assert store.verify() == []
        for hash_ in (result.whole.workload, result.dispatches[0].workload):
            assert store.workload(hash_) is not None
            assert list(store.measurements(workload=hash_))


def test_the_store_answers_without_trials(tuned: tuple[Path, Any], layers: str) -> None:
    folder, result = tuned
    again = costmodel.tune_model(layers, trials=0, store=folder / "store.sqlite", threads=1)
    assert again.measured == 0
    assert again.whole.schedule == result.whole.schedule
    assert again.after_us == result.after_us


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        costmodel.tune_model(tmp_path / "none.mlir")


def test_a_rebuilt_model_is_called_as_the_written_one(tuned: tuple[Path, Any]) -> None:
    folder, result = tuned
    written = json.loads((folder / "out/schedule.json").read_text())
    assert written["schedule"] == result.whole.schedule
    again = folder / "again"
    again.mkdir()
    (again / "run_model.py").write_text((folder / "out/run_model.py").read_text())
    costmodel.rebuild(folder / "out/schedule.json", again / "model.vmfb")
    said = [
        subprocess.run(
            [sys.executable, where / "run_model.py"], check=True, capture_output=True, timeout=60
        ).stdout
        for where in (folder / "out", again)
    ]
    assert said[0] == said[1]
    assert b"float32" in said[0]


def test_light_dispatches_get_none_where_trials_are_few() -> None:
    shares = (0.5, 0.3, 0.1, 0.04, 0.03, 0.03)
    found = [Dispatch(Part(None, ()), share=one, session=object()) for one in shares]  # type: ignore[arg-type]
    share_out(found, 38)
    trials = [one.trials for one in found]
    assert trials == sorted(trials, reverse=True)
    assert trials[0] > 2 * trials[2] > 0
    assert trials[3:] == [0, 0, 0]
    assert all("take longer" in one.reason for one in found[3:])
    assert 36 <= sum(trials) <= 38


@pytest.mark.parametrize(
    ("trials", "expected"),
    [(0, [0, 0, 0]), (4, [4, 0, 0]), (8, [4, 4, 0]), (102, [64, 24, 14])],
)
def test_trials_are_shared_out_by_weight(trials: int, expected: list[int]) -> None:
    found = [
        Dispatch(Part(None, ()), share=share, session=object())  # type: ignore[arg-type]
        for share in (0.6, 0.2, 0.1)
    ]
    found.append(Dispatch(Part(None, ()), share=0.1))  # type: ignore[arg-type]
    share_out(found, trials)
    assert [one.trials for one in found] == [*expected, 0]
    assert all(one.reason for one, n in zip(found[:3], expected, strict=True) if not n)
