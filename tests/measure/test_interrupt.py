"""Ctrl-C and ``kill -9`` in the middle of measuring, done to a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = Path(__file__).parent / "interrupted.py"

Run = subprocess.Popen[str]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run that measures two good candidates and then hangs in a third."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path), "fast", "fast", "hang", "build_hang"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def read(run: Run, lines: int) -> list[dict[str, Any]]:
    assert run.stdout is not None
    return [json.loads(run.stdout.readline()) for _ in range(lines)]


def test_interrupt_keeps_what_was_measured_and_cleans_up(run: Run, tmp_path: Path) -> None:
    yielded = read(run, 2)
    assert [item["yielded"] for item in yielded] == ["ok", "ok"]
    # As a terminal does it: to the whole process group, workers included if they were in it.
    os.killpg(run.pid, signal.SIGINT)
    interrupted, library, end = read(run, 3)
    # The measurement that was just being handed over may be given a second time, never lost.
    assert interrupted["interrupted"]
    assert interrupted["finished"] in (0, 1)
    assert library == {"library": True}
    assert end == {"children": 0, "left": []}
    assert run.wait() == 0
    assert processes_gone(yielded[-1]["processes"])


def test_no_process_outlives_a_killed_parent(run: Run) -> None:
    pids = read(run, 2)[-1]["processes"]
    assert len(pids) >= 3  # the host, the measurer and a builder
    run.kill()
    run.wait()
    assert processes_gone(pids)


def processes_gone(pids: list[int]) -> bool:
    """Whether all end; waits as long as a very busy machine may need."""
    for _ in range(600):
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
