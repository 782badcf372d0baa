"""``costmodel tune`` from MLIR to a library that runs, as scripts and people see it."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.store import open_store

TUNE_KEYS = {
    "workload": str, "function": str, "target": str, "backend": str, "baseline_us": float,
    "best_us": float, "noise_us": float, "speedup": float, "gflops": float,
    "roofline_fraction": float, "trials": int, "measured": int, "failed": dict, "cached": int,
    "seconds": float, "schedule": object, "artifacts": dict,
}  # fmt: skip
ARTIFACTS = {"library", "schedule", "ir", "report", "plot"}
FLOPS = 2 * 64 * 96 * 80


def test_the_object_is_the_contract(tuned) -> None:
    _, printed = tuned
    assert list(printed) == list(TUNE_KEYS)
    for key, kind in TUNE_KEYS.items():
        assert isinstance(printed[key], kind), key
    assert set(printed["artifacts"]) == ARTIFACTS
    assert re.fullmatch(r"[0-9a-f]{64}", printed["workload"])
    assert printed["function"] == "dense"
    assert printed["backend"] in ("tvm", "iree")  # whichever was faster


def test_the_numbers_belong_together(tuned) -> None:
    place, printed = tuned
    assert printed["trials"] == 8
    assert 0 < printed["measured"] <= printed["trials"]
    assert sum(printed["failed"].values()) < printed["measured"]
    assert 0 < printed["best_us"] <= printed["baseline_us"]
    assert printed["speedup"] == pytest.approx(printed["baseline_us"] / printed["best_us"])
    assert printed["gflops"] == pytest.approx(FLOPS / printed["best_us"] * 1e-3, rel=0.05)
    assert printed["roofline_fraction"] > 0
    assert printed["noise_us"] >= 0
    assert place.measurements() >= printed["measured"]


def test_every_file_is_there_and_the_report_agrees(tuned) -> None:
    place, printed = tuned
    for name, path in printed["artifacts"].items():
        assert Path(path).stat().st_size > 0, name
        assert Path(path).parent == place.out
    report = json.loads(Path(printed["artifacts"]["report"]).read_text())
    assert {key: report[key] for key in TUNE_KEYS} == printed
    assert len(report["history"]) >= printed["measured"]
    assert report["environment"]["versions"]
    assert json.loads(Path(printed["artifacts"]["schedule"]).read_text())
    assert not [path for path in place.out.iterdir() if path.name.startswith(".")]


def test_the_snippet_runs_the_library(tuned) -> None:
    place, _ = tuned
    done = subprocess.run(
        [sys.executable, str(place.out / "run_kernel.py")],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("float32 (64, 80) [")


def test_a_second_run_answers_from_the_store(tuned) -> None:
    place, printed = tuned
    known = place.measurements()
    out = place.path / "again"
    again = place.json("tune", place.kernel, "--trials", "0", "--out", out)
    assert again["measured"] == 0
    assert again["cached"] > 0
    assert again["schedule"] == printed["schedule"]
    assert again["best_us"] > 0
    assert Path(again["artifacts"]["library"]).exists()
    assert place.measurements() == known


def test_a_third_run_goes_on_where_the_first_stopped(place, tuned) -> None:
    shutil.copy(tuned[0].store, place.store)
    with open_store(place.store, read_only=True) as store:
        known = {one.schedule.hash for one in store.measurements()}
    printed = place.json("tune", place.kernel, "--trials", "3", "--out", place.out)
    report = json.loads((place.out / "report.json").read_text())
    tried = {
        trial["schedule_hash"]
        for trial in report["history"]
        if trial["source"] not in ("default", "stored")
    }
    assert 0 < len(tried) <= printed["trials"] == 3
    assert not tried & known, "something was measured twice"


def test_nothing_known_and_nothing_to_measure(place) -> None:
    done = place.call("tune", place.kernel, "--trials", "0", "--json")
    assert done.returncode == 1
    printed = json.loads(done.stdout)
    assert printed["best_us"] is None
    assert "nothing is known of this kernel" in printed["error"]["message"]
    assert printed["error"]["exit_status"] == 1
    assert done.stderr.endswith(f"\nerror: {printed['error']['message']}\n")


def test_people_get_progress_and_a_table(place, tuned) -> None:
    shutil.copy(tuned[0].store, place.store)
    done = place.call("tune", place.kernel, "--trials", "2", "--out", place.path / "people")
    assert done.returncode == 0, done.stderr
    for word in ("untuned", "tuned", "noise", "speed-up", "library", "snippet"):
        assert re.search(rf"^  {word} ", done.stdout, re.MULTILINE), word
    assert "costmodel: measuring" in done.stderr
    quiet = place.run("tune", place.kernel, "--trials", "0", "--quiet", "--out", place.out)
    assert quiet.stderr == ""


def test_predict_knows_what_was_measured(tuned) -> None:
    place, _ = tuned
    assert place.json("predict", place.kernel)["measured_us"] > 0


def test_a_store_that_may_only_be_read(restricted, tuned) -> None:
    """It still answers; what would have to write is refused before anything is measured."""
    place, printed = tuned
    shutil.copy(place.store, restricted.store)
    restricted.store.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    content = restricted.store.read_bytes()
    error = restricted.refused(restricted.kernel)
    assert error["kind"] == "StoreReadOnlyError"
    known = restricted.json(
        "tune", restricted.kernel, "--trials", "0", "--out", restricted.path / "known"
    )
    assert known["best_us"] == printed["best_us"]
    options = ("--backend", "tvm", "--n", "4")
    assert restricted.json("rank", restricted.kernel, *options)["schedules"]
    assert restricted.store.read_bytes() == content
