"""``costmodel tune`` that is interrupted, has no disk left, or is not alone with its store."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from costmodel.store import open_store

#: One compiler, where which of them it is says nothing: what IREE's flags do takes it seconds.
ONE = ("--backend", "tvm")


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGINT, ONE), (signal.SIGTERM, ()), (signal.SIGHUP, ONE)]
)
def test_an_interrupt_keeps_what_was_measured(
    place, number: signal.Signals, options: tuple[str, ...]
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests run where this signal is ignored (nohup), and so does what they run")
    run = _tune_until(place, 2, "--trials", "100000", "--json", *options)
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


@pytest.mark.parametrize(
    ("phase", "options"), [("reading", ()), ("building", ()), ("measuring", ()), ("writing", ONE)]
)
def test_an_interrupt_at_any_time_ends_it_cleanly(
    place, phase: str, options: tuple[str, ...]
) -> None:
    run = place.start("tune", place.kernel, "--trials", "4", "--out", place.out, *options)
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
    run = _tune_until(place, 4, "--trials", "24", "--json", *ONE)
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


def test_a_locked_store_is_waited_for(place) -> None:
    open_store(place.store).close()
    other = sqlite3.connect(place.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run = place.start("tune", place.kernel, "--trials", "1", "--out", place.out, *ONE)
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
        place.start(
            "tune", place.kernel, "--trials", "3", "--seed", seed, "--json", "--out", seed, *ONE
        )
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
