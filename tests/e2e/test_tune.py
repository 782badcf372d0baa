"""``costmodel tune`` from MLIR to a library that runs, as scripts and people see it."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
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
    done = place.run("tune", place.kernel, "--trials", "0", "--json")
    assert done.returncode == 1
    printed = json.loads(done.stdout)
    assert printed["best_us"] is None
    assert "nothing is known of this kernel" in printed["error"]["message"]
    assert printed["error"]["exit_status"] == 1
    assert done.stderr.endswith(f"\nerror: {printed['error']['message']}\n")


def test_people_get_progress_and_a_table(tuned) -> None:
    place, _ = tuned
    done = place.run("tune", place.kernel, "--trials", "2", "--out", place.path / "people")
    assert done.returncode == 0, done.stderr
    for word in ("untuned", "tuned", "noise", "speed-up", "library", "snippet"):
        assert re.search(rf"^  {word} ", done.stdout, re.MULTILINE), word
    assert "costmodel: measuring" in done.stderr
    quiet = place.run("tune", place.kernel, "--trials", "0", "--quiet", "--out", place.out)
    assert quiet.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_keeps_what_was_measured(place, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests run where this signal is ignored (nohup), and so does what they run")
    run = _tune_until(place, 2, "--trials", "100000", "--json")
    assert len(_running(place)) > 2, "its workers and the reader of MLIR cannot be seen"
    run.send_signal(number)
    if number is not signal.SIGINT:  # `timeout` does so
        run.send_signal(number)
    out, err = run.communicate()
    assert run.returncode == 130, err
    assert "Traceback" not in err
    printed = json.loads(out)
    assert printed["error"]["kind"] == "Interrupted"
    assert printed["best_us"] > 0
    assert Path(printed["artifacts"]["library"]).exists()
    assert place.measurements() >= printed["measured"] >= 2
    assert _still_running(place) == []


@pytest.mark.parametrize("phase", ["reading", "building", "measuring", "writing"])
def test_an_interrupt_at_any_time_ends_it_cleanly(place, phase: str) -> None:
    run = place.start("tune", place.kernel, "--trials", "4", "--out", place.out)
    for line in run.stderr:
        if line.startswith(f"costmodel: {phase}"):
            break
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert _still_running(place) == []
    written = {path.name for path in place.out.glob("kernel.*")}
    assert bool(written & {"kernel.so", "kernel.vmfb"}) == (phase == "writing")
    if place.store.exists():
        assert place.json("cache", "verify")["sound"]


def test_a_disk_that_fills_up(place) -> None:
    """For the run alone: from the fourth measurement on it may not make any file larger."""
    run = _tune_until(place, 4, "--trials", "24", "--json")
    largest = max(file.stat().st_size for file in place.path.glob("store.sqlite*"))
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (largest, largest))
    out, err = run.communicate()
    assert run.returncode == 1, err
    assert "Traceback" not in err
    assert "cannot grow" in err
    assert "costmodel cache import" in err
    printed = json.loads(out)
    assert printed["best_us"] > 0
    assert "cannot grow" in printed["error"]["message"]
    for file in place.out.glob("costmodel-rescue-*.jsonl"):
        place.json("cache", "import", file)
    assert place.measurements() >= printed["measured"] == 24


def test_a_locked_store_is_waited_for(place, tuned) -> None:
    shutil.copy(tuned[0].store, place.store)
    other = sqlite3.connect(place.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run = place.start("tune", place.kernel, "--trials", "1", "--out", place.out)
    for line in run.stderr:
        if line.startswith("costmodel: building"):
            break
    time.sleep(8)  # by now it waits, or will
    assert run.poll() is None
    other.execute("ROLLBACK")
    other.close()
    _, err = run.communicate()
    assert run.returncode == 0, err


def test_two_runs_share_a_store(place) -> None:
    runs = [
        place.start("tune", place.kernel, "--trials", "3", "--seed", seed, "--json", "--out", seed)
        for seed in ("1", "2")
    ]
    printed: list[dict[str, Any]] = []
    for run in runs:
        out, err = run.communicate()
        assert run.returncode == 0, err
        printed.append(json.loads(out))
    assert place.measurements() >= sum(result["measured"] for result in printed) > 0
    assert place.json("cache", "verify")["sound"]


def _tune_until(place: Any, measurements: int, *options: str) -> subprocess.Popen[str]:
    """A run that has measured so much; it goes on."""
    run: subprocess.Popen[str] = place.start("tune", place.kernel, "--out", place.out, *options)
    while run.poll() is None and place.measurements() < measurements:
        time.sleep(0.1)
    return run


def _running(place: Any) -> list[psutil.Process]:
    """Processes of the runs in a place, by the store's name in their environment.

    Workers, compilers and the reader of MLIR lead sessions of their own, and lose their parent
    when it dies; the environment they inherit.
    """
    mark, found = f"COSTMODEL_STORE={place.store}".encode(), []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            if mark in variables and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _still_running(place: Any) -> list[psutil.Process]:
    """What a run left behind, after as long as a very busy machine may need to end it."""
    for _ in range(300):
        if not _running(place):
            break
        time.sleep(0.1)
    return _running(place)
