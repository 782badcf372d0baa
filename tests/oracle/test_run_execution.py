"""What the server believes of a run's process, which runs the code of strangers, and what not."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from costmodel.oracle import run_execution, run_files
from costmodel.oracle.limits import RunLimits
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.store.codec import dumps
from costmodel.store.entries import FeaturesEntry
from costmodel.store.lines import encode
from tests.oracle.running import TESTER, Served, play
from tests.store import builders

TRIAL = {
    "index": 0, "schedule_hash": "0" * 64, "outcome": "ok", "latency_us": 1.0,
    "predicted_us": None, "elapsed_s": 1.0, "source": "search", "error": "", "backend": "iree",
}  # fmt: skip
FEATURES = encode(
    FeaturesEntry("set", builders.workload().hash, builders.schedule(), builders.features(0))
)
NAME = "x" * 1000


def saying(folder: Path, *messages: Mapping[str, Any]) -> str:
    """A run's process that says this and ends; ``folder`` is for what it says."""
    file = folder / "said"
    file.write_text("\n".join(map(dumps, messages)))
    return f"import sys\nsys.stdin.readline()\nprint(open({str(file)!r}).read(), flush=True)"


def result(**fields: Any) -> dict[str, Any]:
    message = pb.TuneResult(best_us=1.0, **fields)
    return {"end": message.SerializeToString().hex(), "interrupted": False}


def told(message: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {"trial": TRIAL | changes, "best_us": None} | message


@pytest.mark.parametrize(
    ("message", "leased", "said"),
    [
        ({"phase": "x" * (3 << 20)}, False, "said more at once than it has to say"),
        ({"phase": NAME}, False, "a name of 1000 characters"),
        (told({}, schedule_hash=NAME), False, "a name of 1000 characters"),
        (told({}, source=NAME), False, "a name of 1000 characters"),
        (told({}, backend=NAME), False, "a name of 1000 characters"),
        (result(problems=["x" * 300_000]), False, "a result of 300"),
        ({"kept": [FEATURES | {"shape": [-1024, 1025]}] * 9}, False, "features of 9446400 numbers"),
        (
            {"ask": [{"backend": "tvm", "text": "{}"}] * 1009, "versions": {}},
            True,
            "asks for more than it can have measured",
        ),
        ({"ask": [], "versions": {"tvm": 3}}, True, "expected versions of packages by backend"),
        ({"ask": [], "versions": {"tvm": {"tvm": 3}}}, True, "expected a string, found int"),
    ],
)
def test_what_no_run_says_ends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    message: Mapping[str, Any],
    leased: bool,
    said: str,
) -> None:
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", saying(tmp_path, message, result()))

    async def scene(it: Served) -> None:
        operation = await it.started(leased=leased)
        end = await it.ended(operation.name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert said in end.error
        (folder,) = (tmp_path / "runs").glob("*/")
        assert (folder / "run.json").stat().st_size < 20_000
        assert (folder / "events").stat().st_size < 20_000

    play(tmp_path, scene)


def test_what_is_within_limits_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above is about what it changes."""
    versions = {"ask": [], "versions": {"tvm": {"tvm": "1"}}}
    said = [{"phase": "a phase"}, told({}), {"kept": [FEATURES]}, versions, result()]
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", saying(tmp_path, *said))

    async def scene(it: Served) -> None:
        end = await it.ended((await it.started(leased=True)).name)
        assert end.state == pb.TUNE_STATE_DONE, end

    play(tmp_path, scene)


#: Fails with a compiler's words, and has one more failure in its own store.
_COMPLAINING = """
import json, sys
from dataclasses import replace
from pathlib import Path
from costmodel.records import Outcome
from costmodel.store import open_store
from costmodel.store.lines import decode, encode
job = json.loads(sys.stdin.readline())
said = f"{{job['folder']}}/tmp/a/input.mlir:1:2: error: no"
one = json.loads({one!r}) | {{"workload": job["workload"], "target": job["target"][0]}}
one = replace(decode(one), outcome=Outcome.BUILD_ERROR, samples_us=(), error=said)
with open_store(Path(job["store"]), read_only=True) as source:
    workload, target = source.workload(one.workload), source.target(one.target)
with open_store(Path(job["folder"], "store.sqlite")) as own:
    own.add_workload(workload)
    own.add_target(target)
    own.add([replace(one, id="left behind")])
trial = {trial!r} | {{"outcome": "build_error", "latency_us": None, "error": said}}
for message in ({{"kept": [encode(one)]}}, {{"trial": trial, "best_us": None}}, {{"error": said}}):
    print(json.dumps(message), flush=True)
"""


def test_where_the_server_keeps_its_runs_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = _COMPLAINING.format(one=dumps(encode(builders.measurement())), trial=TRIAL)
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", boot)

    async def scene(it: Served) -> None:
        operation = await it.started()
        trial = (await it.until(operation.name, "trial")).trial
        end = await it.ended(operation.name)
        told = [trial.error, end.error, *(one.error for one in it.stored())]
        assert told == ["tmp/a/input.mlir:1:2: error: no"] * 4

    play(tmp_path, scene)


#: Tells of measurements that nobody made, for as long as somebody listens.
_INVENTING = """
import json, sys
job = json.loads(sys.stdin.readline())
one = json.loads({one!r}) | {{"workload": job["workload"], "target": job["target"][0]}}
for start in range(0, 20_000, 50):
    print(json.dumps({{"kept": [one | {{"id": str(start + n)}} for n in range(50)]}}), flush=True)
"""


def test_no_more_is_kept_than_can_have_been_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = _INVENTING.format(one=dumps(encode(builders.measurement())))
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", boot)

    async def scene(it: Served) -> None:
        end = await it.ended((await it.started(trials=2)).name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert "more than it can have measured" in end.error
        assert len(it.stored()) == 1000  # 20 lines, of 1008 that are allowed

    play(tmp_path, scene)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_store_that_is_held_for_a_while_fails_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cancelled: bool,
) -> None:
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", saying(tmp_path, result()))

    async def scene(it: Served) -> None:
        with closing(sqlite3.connect(it.store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            operation = await it.started()
            while "waits for the store" not in caplog.text:
                await asyncio.sleep(0.01)
            if cancelled:
                await it.runs.cancel(operation.name, TESTER)
                end = await it.ended(operation.name)
                assert end.state == pb.TUNE_STATE_CANCELLED
            other.execute("ROLLBACK")
        if not cancelled:
            end = await it.ended(operation.name)
            assert end.state == pb.TUNE_STATE_DONE, end
            assert caplog.text.count("waits for the store") == 1

    with caplog.at_level(logging.WARNING):
        play(tmp_path, scene, wait_s=0.05)


#: Measures when it may, and tells of each measurement.
_WAITING = """
import os, sys, time
sys.stdin.readline()
print('{{"phase": "tuning"}}', flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.01)
print(open({said!r}).read(), flush=True)
"""


def test_a_store_that_is_held_is_not_waited_for_with_each_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go = tmp_path / "go"
    saying(tmp_path, *[{"kept": [FEATURES]}] * 20, result())
    boot = _WAITING.format(go=str(go), said=str(tmp_path / "said"))
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", boot)

    async def scene(it: Served) -> None:
        operation = await it.started()
        await it.until(operation.name, "phase")
        with closing(sqlite3.connect(it.store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            go.touch()
            end = await it.ended(operation.name)
            other.execute("ROLLBACK")
        assert end.state == pb.TUNE_STATE_DONE, end
        assert caplog.text.count("wait for its end") == 1

    with caplog.at_level(logging.WARNING):
        play(tmp_path, scene, wait_s=0.05)


def test_a_look_at_the_files_that_fails_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[Path] = []
    taken = run_files.taken

    def failing(folder: Path) -> int:
        looks.append(folder)
        if len(looks) == 1:
            raise RuntimeError("a fault")
        return taken(folder)

    monkeypatch.setattr(run_files, "taken", failing)
    monkeypatch.setattr(run_execution, "_LOOK_S", 0.01)
    waiting = "import sys\nfor line in sys.stdin: pass"
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", waiting)

    async def scene(it: Served) -> None:
        end = await it.ended((await it.started()).name)
        assert end.error == "its files take more than 0 MiB"
        assert "were not looked at" in caplog.text

    play(tmp_path, scene, limits=RunLimits(disk_bytes=100))
