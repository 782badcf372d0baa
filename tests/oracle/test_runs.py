"""Tuning runs in processes of their own: what they leave, and what no end of anybody loses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from costmodel.backends.registry import load
from costmodel.errors import UsageError
from costmodel.oracle import confine, run_files
from costmodel.oracle.access import LOCAL, Principal, Scope
from costmodel.oracle.convert import FieldError, policy_from, schedule_from
from costmodel.oracle.limits import RunLimits
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.run_files import RunFiles
from costmodel.oracle.run_folders import TOO_DEEP
from costmodel.oracle.run_process import RunProcess
from costmodel.oracle.status import NotFoundError, OverloadedError, RefusedError
from costmodel.records import Environment, Measurement, Outcome, TimingPolicy
from costmodel.store import open_store
from tests.oracle.running import NOTHING, PATIENCE_S, TESTER, Served, play, serving, spec
from tests.store import builders


def run_process(served: Served, name: str) -> psutil.Process:
    """The process of a run that is under way."""
    record = served.store.parent / "runs" / name.removeprefix("tunes/") / "run.json"
    return psutil.Process(json.loads(record.read_text())["process"][0])


async def gone(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes):
            await asyncio.sleep(0.05)


# One run from its begin to its end


@dataclass
class Tuned:
    """What was seen of a run, and where it was kept."""

    folder: Path
    events: list[pb.TuneEvent]
    watched_later: list[pb.TuneEvent]
    files: dict[str, bytes]
    final: pb.TuneOperation


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A run of which one watcher leaves in the middle, as a client does whose connection breaks."""
    folder, found = tmp_path_factory.mktemp("tuned"), []

    async def scene(it: Served) -> None:
        store_one_that_is_known(it)
        operation = await it.started()
        assert operation.state in (pb.TUNE_STATE_QUEUED, pb.TUNE_STATE_RUNNING)
        seen = []
        async for event in it.runs.watch(operation.name, 0):
            seen.append(event)
            if len(seen) == 2:
                break
        later = [event async for event in it.runs.watch(operation.name, len(seen))]
        files: dict[str, bytes] = {}
        async for chunk in it.runs.download(operation.name, []):
            files[chunk.file_name] = files.get(chunk.file_name, b"") + chunk.data
        found.append(
            Tuned(folder, seen + later, later, files, it.runs.get(operation.name))
        )  # fmt: skip

    play(folder, scene)
    return found[0]


def store_one_that_is_known(it: Served) -> None:
    """A guess of the compiler's experts, measured before, and slow."""
    backend, workload = load("iree"), spec(it.own).workload
    space = backend.space(workload, it.own)
    guess = next(one for one in space.guesses() if one != space.default())
    with open_store(it.store) as store:
        store.add_workload(workload)
        store.add([
            Measurement(
                id="known", workload=workload.hash, schedule=guess, target=it.own.hash,
                environment=builders.installed("iree"), policy=TimingPolicy(),
                outcome=Outcome.OK, samples_us=(1e6,), timestamp=1.7e9,
            )
        ])  # fmt: skip


def test_a_run_has_a_result(tuned: Tuned) -> None:
    operation = tuned.final
    assert operation.state == pb.TUNE_STATE_DONE, operation
    assert operation.error == ""
    assert operation.measured == operation.trials == 2
    assert operation.client == "tester"
    result = operation.result
    assert result.best_us > 0
    assert operation.best_us == result.best_us  # of the comparison, and not of its trial
    assert result.schedule.backend == "iree"
    assert result.measured == 2
    assert result.cached == 1  # it began with what the server knew
    assert list(result.problems) == []
    assert operation.ended.ToNanoseconds() > operation.created.ToNanoseconds()


def test_events_have_no_gap_past_a_broken_connection(tuned: Tuned) -> None:
    assert [event.number for event in tuned.events] == list(range(len(tuned.events)))
    kinds = [event.WhichOneof("what") for event in tuned.events]
    assert kinds.count("trial") == 2
    assert kinds[-1] == "end"
    assert kinds.count("end") == 1
    phases = [event.phase for event in tuned.events if event.HasField("phase")]
    assert phases == ["reading", "space", "tuning", "confirming", "exporting"]
    assert tuned.events[-1].end == tuned.final


def test_all_measurements_are_in_the_servers_store(tuned: Tuned) -> None:
    with open_store(tuned.folder / "store.sqlite", read_only=True) as store:
        assert store.verify() == []
        measurements = list(store.measurements(workload=tuned.final.workload))
        best = store.best(workload=tuned.final.workload, target=tuned.final.target_hash)
        stats = store.stats()
    trials = [event.trial for event in tuned.events if event.HasField("trial")]
    hashes = {one.schedule.hash for one in measurements}
    assert {trial.schedule_hash for trial in trials} <= hashes
    assert any("final" in one.extra for one in measurements)  # those of the comparison, too
    assert best is not None
    assert stats["features"] == 2  # so that other kernels' searches start warm


def test_the_files_are_those_of_the_result(tuned: Tuned) -> None:
    names = dict(tuned.final.result.artifacts)
    assert set(tuned.files) == set(names.values())
    assert {"library", "schedule", "report"} <= set(names)
    schedule = json.loads(tuned.files[names["schedule"]])
    assert schedule["workload"] == tuned.final.workload
    assert schedule["schedule"] == json.loads(tuned.final.result.schedule.text)
    assert tuned.files[names["library"]]
    report = tuned.files[names["report"]]
    assert json.loads(report)["files"] == names
    assert str(tuned.folder).encode() not in report  # the server's folders are nobody's business


def test_the_runs_own_store_and_scratch_files_are_gone(tuned: Tuned) -> None:
    work = tuned.folder / "runs" / tuned.final.name.removeprefix("tunes/") / "work"
    assert os.listdir(work) == ["out"]


def test_the_next_server_knows_the_run(tuned: Tuned) -> None:
    async def scene(it: Served) -> None:
        assert it.runs.get(tuned.final.name) == tuned.final
        assert [event async for event in it.runs.watch(tuned.final.name, 0)] == tuned.events
        assert [event async for event in it.runs.watch(tuned.final.name, 10**6)] == []
        cancelled = await it.runs.cancel(tuned.final.name, TESTER)  # nothing happens to it
        assert cancelled == tuned.final
        with pytest.raises(FieldError) as caught:
            it.runs.download(tuned.final.name, ["library", "secrets"])
        assert caught.value.field == "artifacts[1]"
        names = {chunk.artifact async for chunk in it.runs.download(tuned.final.name, ["report"])}
        assert names == {"report"}

    play(tuned.folder, scene, limits=NOTHING)


def test_a_link_among_the_files_is_not_followed(tuned: Tuned) -> None:
    """A run's process may put anything into its folder."""
    report = tuned.final.result.artifacts["report"]
    out = tuned.folder / "runs" / tuned.final.name.removeprefix("tunes/") / "work" / "out"
    kept = (out / report).read_bytes()
    (out / report).unlink()
    (out / report).symlink_to("/etc/passwd")

    async def scene(it: Served) -> None:
        with pytest.raises(NotFoundError):
            _ = [chunk async for chunk in it.runs.download(tuned.final.name, ["report"])]
        (out / report).unlink()
        os.mkfifo(out / report)
        with pytest.raises(NotFoundError):
            _ = [chunk async for chunk in it.runs.download(tuned.final.name, ["report"])]

    play(tuned.folder, scene, limits=NOTHING)
    (out / report).unlink()
    (out / report).write_bytes(kept)


# Ends before the end


def test_cancelling_keeps_what_was_measured(tmp_path: Path) -> None:
    limits = RunLimits(memory_bytes=6 << 30, file_bytes=1 << 30)

    async def scene(it: Served) -> None:
        operation = await it.started(trials=64)
        trial = (await it.until(operation.name, "trial")).trial
        process = run_process(it, operation.name)
        below = process.children(recursive=True)
        assert len(below) >= 2
        for one in below:  # no worker takes more than its run may
            assert one.rlimit(psutil.RLIMIT_DATA) == (6 << 30, 6 << 30)
            assert one.rlimit(psutil.RLIMIT_FSIZE) == (1 << 30, 1 << 30)
            assert one.nice() > psutil.Process().nice()
        await it.runs.cancel(operation.name, TESTER)
        end = await it.ended(operation.name)
        assert end.state == pb.TUNE_STATE_CANCELLED, end
        assert 1 <= end.measured < 64
        assert end.result.best_us > 0
        hashes = {one.schedule.hash for one in it.stored()}
        assert trial.schedule_hash in hashes
        await gone([process, *below])

    play(tmp_path, scene, limits=limits)


def test_a_killed_process_is_a_failed_run_and_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSTMODEL_ORACLE_TOKEN", "hunter2")

    async def scene(it: Served) -> None:
        first, second = await it.started(trials=8), await it.started(trials=3)
        assert second.state == pb.TUNE_STATE_QUEUED  # one at a time
        await it.until(first.name, "phase")
        process = run_process(it, first.name)
        environment = process.environ()
        assert "hunter2" not in environment.values()  # nor any other of the server's secrets
        assert environment["HOME"].startswith(str(tmp_path))
        process.kill()
        end = await it.ended(first.name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert "SIGKILL" in end.error
        await it.until(second.name, "phase")
        assert it.runs.get(second.name).state == pb.TUNE_STATE_RUNNING

    play(tmp_path, scene)


#: A process that leaves another, in a session of its own and with its pipes, and is killed.
_DESERTED = """
import os, signal, sys, time
child = os.fork()
if not child:
    os.setsid()
    os.environ.clear()
    {talk}
    os.execve("/bin/sleep", ["sleep", "600"], {{"HOME": {home!r}}})
print('{{"left": %s}}' % child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
_TALK = """
    while True:
        print('{"phase": "and on"}', flush=True)
"""


@pytest.mark.parametrize("talk", ["", _TALK], ids=["silent", "talking"])
def test_pipes_that_others_hold_open_keep_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: str
) -> None:
    """The server knows nothing of them."""
    boot = _DESERTED.format(talk=talk, home="/nowhere")
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", boot)
    (left,) = deserted(tmp_path)
    with suppress(psutil.NoSuchProcess):  # it has nobody to talk to any more
        left.kill()


def deserted(folder: Path) -> list[psutil.Process]:
    """What the processes of _DESERTED left."""
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    async def scene() -> None:
        process = RunProcess(folder / "work", folder / "stderr", grace_s=0.2)
        await process.start({})
        async with asyncio.timeout(PATIENCE_S):
            assert await process.hear(3600.0, 1 << 30, hear) == -signal.SIGKILL

    asyncio.run(scene())
    found = []
    for message in heard:
        with suppress(psutil.NoSuchProcess):
            found += [psutil.Process(message["left"])] if "left" in message else []
    return found


def test_what_a_killed_keeper_leaves_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = _DESERTED.format(talk="", home=str(tmp_path / "work" / "home"))
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", boot)
    assert [one for one in deserted(tmp_path) if one.status() != psutil.STATUS_ZOMBIE] == []


#: Strangers' code in a real run: hides what it leaves, and ends the run's process.
_STRANGE = """
import sys, json, types
sys.path[:] = json.loads(sys.argv[1])
from costmodel.oracle.run_child import main
def tune_job(job, lines):
    import os, signal
    if not os.fork():
        os.setsid()
        child = os.fork()
        if not child:
            os.execve("/bin/sleep", ["sleep", "600"], {})
        lines.send({"phase": str(child)})
        os._exit(0)
    os.wait()
    if job["seed"]:
        os.kill(os.getpid(), signal.SIGKILL)
sys.modules["costmodel.oracle.run_tuning"] = types.SimpleNamespace(tune_job=tune_job)
main(sys.argv[2])
"""


def test_nothing_outlives_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", _STRANGE)

    async def scene(it: Served) -> None:
        for seed, error in ((1, "SIGKILL"), (0, "status 0")):
            operation = await it.started(seed=seed)
            events = [event async for event in it.runs.watch(operation.name, 0)]
            (left,) = [event.phase for event in events if event.HasField("phase")]
            assert error in events[-1].end.error
            assert not psutil.pid_exists(int(left))

    play(tmp_path, scene)


_SERVER = """
import asyncio, sys
from pathlib import Path
from tests.oracle.running import serving

async def main():
    async with serving(Path(sys.argv[1])) as it:
        first, second = await it.started(trials=64), await it.started(trials=5)
        trial = (await it.until(first.name, "trial")).trial
        print(first.name, second.name, trial.schedule_hash, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_a_killed_server_loses_nothing_that_was_measured(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert server.stdout is not None
    try:
        first, second, hash = server.stdout.readline().split()
        left = psutil.Process(server.pid).children(recursive=True)
        assert left
    finally:
        server.kill()
        server.wait()
        server.stdout.close()

    async def scene(it: Served) -> None:
        operation = it.runs.get(first)
        assert operation.state == pb.TUNE_STATE_FAILED
        assert "the server ended" in operation.error
        assert operation.measured >= 1
        assert operation.best_us > 0
        assert hash in {one.schedule.hash for one in it.stored()}
        *_, last = [event async for event in it.runs.watch(first, 0)]
        assert last.end == operation
        await gone(left)
        await it.until(second, "phase")  # what waited has begun
        await it.runs.cancel(second, TESTER)
        assert (await it.ended(second)).state == pb.TUNE_STATE_CANCELLED

    play(tmp_path, scene)


def test_measurements_that_only_the_runs_folder_has_are_taken_over(
    tuned: Tuned, tmp_path: Path
) -> None:
    """As where the server was killed between a measurement and its being told of it."""
    made = left_by_a_killed_server(tuned, tmp_path)

    async def scene(it: Served) -> None:
        (run,) = it.runs.list(0, "").tunes
        assert run.state == pb.TUNE_STATE_FAILED
        assert run.error == "the server ended while it ran"
        assert {one.id for one in it.stored()} == made

    play(tmp_path, scene, limits=NOTHING)


def left_by_a_killed_server(tuned: Tuned, folder: Path) -> set[str]:
    """A run under way by its record, with the store of ``tuned``; the ids of what it measured."""
    with open_store(tuned.folder / "store.sqlite", read_only=True) as store:
        entries = list(store.entries())

    async def wait(it: Served) -> None:
        names.append((await it.started()).name)

    names: list[str] = []
    play(folder, wait, limits=NOTHING)
    record = folder / "runs" / names[0].removeprefix("tunes/") / "run.json"
    saved = json.loads(record.read_text())
    operation = pb.TuneOperation.FromString(bytes.fromhex(saved["operation"]))
    operation.state = pb.TUNE_STATE_RUNNING
    saved["operation"] = operation.SerializeToString().hex()
    record.write_text(json.dumps(saved))
    with open_store(record.parent / "work" / "store.sqlite") as store:
        store.ingest(entries)
        made = {one.id for one in store.measurements()}
    with open_store(folder / "store.sqlite") as store:  # as the run had it stored at its begin
        store.add_workload(spec(it_target(tuned)).workload)
    return made


_ENDLESS = """
ALTER TABLE measurements RENAME TO hidden;
CREATE VIEW measurements AS WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n)
SELECT hidden.*, n.seq AS number FROM hidden, n;
"""
_TRIGGER = "CREATE TRIGGER t AFTER INSERT ON measurements BEGIN SELECT 1; END"


def change(*statements: str) -> Callable[[Path], None]:
    def changed(store: Path) -> None:
        with closing(sqlite3.connect(store)) as conn:
            for statement in statements:
                conn.executescript(statement)

    return changed


def link(store: Path) -> None:
    store.rename(store.with_name("elsewhere"))
    store.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change(_ENDLESS), "other tables than a store has"),
        (change(_TRIGGER), "other tables than a store has"),
        (change("PRAGMA user_version = 1"), "none of the version 2"),
        (change("PRAGMA application_id = 1"), "none of the version 2"),
        (change("UPDATE measurements SET error = zeroblob(8 << 20)"), "string or blob too big"),
        (lambda store: store.write_bytes(b"no database" * 999), "file is not a database"),
        (link, "its store is no file"),
        (lambda store: os.mkfifo(f"{store}-journal"), "its store-journal is no file"),
    ],
)
def test_a_store_that_no_run_makes_is_refused(
    tuned: Tuned, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    left_by_a_killed_server(tuned, tmp_path)
    (store,) = tmp_path.glob("runs/*/work/store.sqlite")
    spoil(store)

    async def scene(it: Served) -> None:
        (run,) = it.runs.list(0, "").tunes
        assert run.error.startswith("the server ended while it ran; its store")
        assert said in run.error
        assert str(tmp_path) not in run.error
        assert it.stored() == []
        assert not store.exists()

    play(tmp_path, scene, limits=NOTHING)


def test_a_store_is_read_for_a_while_and_up_to_a_number(
    tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = left_by_a_killed_server(tuned, tmp_path)
    shutil.copytree(tmp_path, tmp_path.with_name("slow"))

    async def scene(it: Served) -> None:
        (run,) = it.runs.list(0, "").tunes
        assert "more measurements than it can have made: 2 were kept" in run.error
        assert len(it.stored()) == 2 < len(made)

    async def slow(it: Served) -> None:
        (run,) = it.runs.list(0, "").tunes
        assert "its store takes more than 0 s to read" in run.error

    monkeypatch.setattr("costmodel.oracle.run_execution._ROWS_A_TRIAL", 1)
    monkeypatch.setattr("costmodel.oracle.run_execution._MORE_ROWS", 0)
    play(tmp_path, scene, limits=NOTHING)
    monkeypatch.setattr("costmodel.oracle.run_store._SECONDS", 0.0)
    monkeypatch.setattr("costmodel.oracle.run_store._STEPS", 1)
    play(tmp_path.with_name("slow"), slow, limits=NOTHING)


def it_target(tuned: Tuned) -> Any:
    with open_store(tuned.folder / "store.sqlite", read_only=True) as store:
        found = store.target(tuned.final.target_hash)
    assert found is not None
    return found


def test_a_stopped_server_concludes_its_runs(tmp_path: Path) -> None:
    names: list[str] = []

    async def scene(it: Served) -> None:
        names.append((await it.started(trials=64)).name)
        names.append((await it.started()).name)
        await it.until(names[0], "phase")

    play(tmp_path, scene)

    async def later(it: Served) -> None:
        first, second = map(it.runs.get, names)
        assert first.state == pb.TUNE_STATE_CANCELLED
        assert first.error == "the server was stopped"
        assert second.state == pb.TUNE_STATE_QUEUED

    play(tmp_path, later, limits=NOTHING)


def test_a_kernel_that_cannot_be_tuned_fails_with_its_place(tmp_path: Path) -> None:
    kernel = """func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
"""

    async def scene(it: Served) -> None:
        known = spec(it.own)
        changed = replace(known, source=known.source | {"mlir": kernel})
        operation = await it.runs.start(changed, "tester")
        end = await it.ended(operation.name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert "add.mlir:1:" in end.error
        assert "Traceback" not in end.error

    play(tmp_path, scene)


def test_a_run_that_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmodel.oracle.run_execution._LOOK_S", 0.01)

    async def scene(it: Served) -> None:
        end = await it.ended((await it.started(trials=64)).name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert end.error == "its files take more than 0 MiB"

    play(tmp_path, scene, limits=RunLimits(disk_bytes=100))


def nest(folder: Path, depth: int) -> None:
    """Folders in each other, by a path that no system call takes, with a file in the last."""
    folder.mkdir(parents=True)
    parent = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        name = "n" * 100
        os.mkdir(name, dir_fd=parent)
        child = os.open(name, os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=parent))
    os.close(parent)


def test_empty_files_take_room(tmp_path: Path) -> None:
    """A file system may have no more of them, while all of its blocks are free."""
    files = RunFiles(tmp_path / "run")
    files.make()
    for number in range(1000):
        (files.work / str(number)).touch()
    assert 1000 * 4096 <= files.size() < 1100 * 4096 + (1 << 20)


def test_folders_of_a_run_however_they_are_nested(tmp_path: Path) -> None:
    files = RunFiles(tmp_path / "run")
    (files.work / "out").mkdir(parents=True)
    (files.work / "out" / "file").write_bytes(bytes(1 << 20))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(bytes(1 << 20))
    (files.work / "link").symlink_to(outside)
    assert 1 << 20 <= files.size() < 2 << 20
    nest(files.work / "tmp" / "shallow", 20)
    assert 1 << 20 <= files.size() < 2 << 20
    nest(files.work / "tmp" / "deep", 3000)
    assert files.size() == TOO_DEEP
    files.clear()
    assert os.listdir(files.work) == ["out"]
    nest(files.work / "out" / "deep", 3000)
    files.remove()
    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(outside) == ["file"]


#: Strangers' code that nests folders until it is stopped.
_NESTING = """
import sys, json, types
sys.path[:] = json.loads(sys.argv[1])
from costmodel.oracle.run_child import main
def tune_job(job, lines):
    import os, time
    for _ in range(3000):
        os.mkdir("n")
        os.chdir("n")
    time.sleep(600)
sys.modules["costmodel.oracle.run_tuning"] = types.SimpleNamespace(tune_job=tune_job)
main(sys.argv[2])
"""


def test_a_run_that_nests_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmodel.oracle.run_execution._LOOK_S", 0.05)
    monkeypatch.setattr("costmodel.oracle.run_process._BOOT", _NESTING)

    async def scene(it: Served) -> None:
        operation = await it.started()
        end = await it.ended(operation.name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert end.error == "its folders are nested too deeply"
        work = it.store.parent / "runs" / operation.name.removeprefix("tunes/") / "work"
        assert os.listdir(work) == []

    play(tmp_path, scene)


def test_a_run_that_cannot_be_taken_over_keeps_no_server_from_its_start(tmp_path: Path) -> None:
    names: list[str] = []

    async def scene(it: Served) -> None:
        names.extend([(await it.started()).name for _ in range(2)])

    async def later(it: Served) -> None:
        assert [one.name for one in it.runs.list(0, "").tunes] == names[1:]

    play(tmp_path, scene, limits=NOTHING)
    events = tmp_path / "runs" / names[0].removeprefix("tunes/") / "events"
    events.unlink()
    events.mkdir()
    play(tmp_path, later, limits=NOTHING)


# Clients measure


def test_clients_measure_a_leased_run(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        foreign = replace(it.own, cpu="a machine that the server is not")
        operation = await it.started(target=foreign, trials=3)
        assert operation.leased
        unmeasured = await it.started(leased=True, seconds=0.5)  # runs beside the other
        best = 1e9
        for place in range(3):
            (candidate,) = await it.runs.lease(foreign.hash, 1, PATIENCE_S, 600.0)
            assert candidate.tune == operation.name
            samples = (10.0 + place, 11.0 + place, 12.0 + place)
            best = min(best, samples[1])
            made = leased_measurement(candidate, foreign.hash, samples)
            assert await it.runs.complete(candidate.lease, made)
        end = await it.ended(operation.name)
        assert end.state == pb.TUNE_STATE_DONE, end
        assert end.measured == 3
        assert end.result.best_us == end.best_us == best
        assert any("medians" in note for note in end.result.notes)
        assert "library" not in end.result.artifacts
        assert any("costmodel tune FILE --trials 0 --oracle" in one for one in end.result.notes)
        assert len(it.stored()) == 3
        assert await it.runs.lease(foreign.hash, 1, 0.0, 0.0) == []
        end = await it.ended(unmeasured.name)
        assert end.state == pb.TUNE_STATE_FAILED
        assert "no client measured anything in time" in end.error
        assert "costmodel worker" in end.error

    play(tmp_path, scene)


def leased_measurement(
    candidate: pb.LeasedCandidate, target: str, samples: tuple[float, ...]
) -> Any:
    versions = {part.name: dict(part.versions()) for part in load("auto").parts}
    schedule = schedule_from(candidate.schedule)
    return Measurement(
        id=candidate.lease, workload=candidate.workload, schedule=schedule, target=target,
        environment=Environment(versions[schedule.backend], {}),
        policy=policy_from(candidate.policy), outcome=Outcome.OK, samples_us=samples,
        timestamp=1.7e9,
    )  # fmt: skip


# Requests


def test_requests_without_a_run(tmp_path: Path) -> None:
    """Nothing is begun here: no process runs."""
    limits = RunLimits(trials=100, seconds=60.0, concurrent=0, leased=0, queued=3)

    async def scene(it: Served) -> None:
        first = await it.started(request_id="one")
        assert (await it.started(request_id="one")) == first
        assert (await it.runs.start(spec(it.own, request_id="one"), "another")).name != first.name
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("request_id", {"request_id": "one", "trials": 3}),
            ("request_id", {"request_id": ""}),
            ("request_id", {"request_id": "x" * 129}),
            ("trials", {"trials": 101}),
            ("budget", {"seconds": 61.0}),
            ("budget", {"seconds": float("nan")}),
        ]
        for field, changes in wrong:
            with pytest.raises(FieldError) as caught:
                await it.started(**changes)
            assert caught.value.field == field
            option = "costmodel serve --max-trials N"
            assert (option in str(caught.value.hint)) == (field == "trials")
        assert (await it.started(trials=0)).trials == 64
        with pytest.raises(OverloadedError, match="3 runs are waiting"):
            await it.started()
        foreign = replace(it.own, cpu="another")
        assert (await it.started(target=foreign)).leased  # those wait in a queue of their own
        for name, kind in (("tunes/" + "0" * 32, NotFoundError), ("runs/1", FieldError)):
            with pytest.raises(kind):
                it.runs.get(name)
            with pytest.raises(kind):
                it.runs.watch(name, 0)
            with pytest.raises(kind):
                await it.runs.cancel(name, TESTER)
        cancelled = await it.runs.cancel(first.name, TESTER)
        assert cancelled.state == pb.TUNE_STATE_CANCELLED
        assert [e.WhichOneof("what") async for e in it.runs.watch(first.name, 0)] == ["end"]
        await it.started()  # there is room again

    play(tmp_path, scene, limits=limits)


def test_who_may_cancel_a_run(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        operation = await it.started()
        another = Principal("another", frozenset({Scope.READ, Scope.TUNE}))
        with pytest.raises(RefusedError, match="which tester started") as caught:
            await it.runs.cancel(operation.name, another)
        assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
        assert "admin" in str(caught.value.hint)
        assert it.runs.get(operation.name).state == pb.TUNE_STATE_QUEUED
        for caller in (TESTER, Principal("operator", frozenset({Scope.ADMIN})), LOCAL):
            name = (await it.started()).name
            assert (await it.runs.cancel(name, caller)).state == pb.TUNE_STATE_CANCELLED
        nobodys = await it.runs.start(spec(it.own), "")  # as in a record of the first servers
        assert (await it.runs.cancel(nobodys.name, another)).state == pb.TUNE_STATE_CANCELLED

    play(tmp_path, scene, limits=NOTHING)


def test_a_page_is_no_larger_than_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(it: Served) -> None:
        names = [(await it.started()).name for _ in range(5)]
        one = it.runs.get(names[0]).ByteSize()
        for most, count in ((2 * one + one // 2, 2), (1, 1)):
            monkeypatch.setattr("costmodel.oracle.runs._PAGE_BYTES", most)
            found, token = [], ""
            while len(found) < 5:
                page = it.runs.list(0, token)
                assert len(page.tunes) == min(count, 5 - len(found))
                found += [each.name for each in page.tunes]
                token = page.next_page_token
            assert token == ""
            assert found == names[::-1]

    play(tmp_path, scene, limits=NOTHING)


def test_pages_newest_first(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        names = [(await it.started()).name for _ in range(5)]
        found, token = [], ""
        for size in (2, 2, 1):
            page = it.runs.list(2, token)
            assert len(page.tunes) == size
            found += [one.name for one in page.tunes]
            token = page.next_page_token
        assert token == ""
        assert found == names[::-1]
        assert len(it.runs.list(0, "").tunes) == 5
        for bad in ("nonsense", "é", "MTI6"):
            with suppress(FieldError):
                it.runs.list(2, bad)
                assert bad == "MTI6"  # a time of no run is one where nothing is older

    play(tmp_path, scene, limits=NOTHING)


def test_what_waited_still_waits_after_a_restart(tmp_path: Path) -> None:
    names: list[str] = []

    async def scene(it: Served) -> None:
        names.extend([(await it.started(request_id=str(n))).name for n in range(3)])

    async def later(it: Served) -> None:
        assert [one.name for one in it.runs.list(0, "").tunes] == names[::-1]
        states = {one.state for one in it.runs.list(0, "").tunes}
        assert states == {pb.TUNE_STATE_QUEUED}
        assert (await it.started(request_id="1")).name == names[1]

    play(tmp_path, scene, limits=NOTHING)
    play(tmp_path, later, limits=NOTHING)


def test_old_runs_are_removed(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        for _ in range(4):
            await it.runs.cancel((await it.started()).name, TESTER)

    async def later(it: Served) -> None:
        assert len(it.runs.list(0, "").tunes) == 2

    play(tmp_path, scene, limits=NOTHING)
    damaged = tmp_path / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    play(tmp_path, later, limits=replace(NOTHING, kept=2))
    assert len([one for one in (tmp_path / "runs").iterdir() if one.is_dir()]) == 3
    assert damaged.is_dir()  # what cannot be read may be somebody's still


def test_runs_that_were_cancelled_while_they_waited_are_removed(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        names = []
        for _ in range(4):
            names.append((await it.started()).name)
            assert (await it.runs.cancel(names[-1], TESTER)).state == pb.TUNE_STATE_CANCELLED
        assert [one.name for one in it.runs.list(0, "").tunes] == names[:1:-1]
        assert len([one for one in (tmp_path / "runs").iterdir() if one.is_dir()]) == 2

    play(tmp_path, scene, limits=replace(NOTHING, kept=2))


def test_the_files_of_a_run_that_has_ended_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    taken = run_files.taken

    def counted(folder: Path) -> int:
        looks.append(folder)
        return taken(folder)

    monkeypatch.setattr(run_files, "taken", counted)

    async def scene(it: Served) -> None:
        for _ in range(4):
            await it.runs.cancel((await it.started()).name, TESTER)

    play(tmp_path, scene, limits=NOTHING)
    assert len(looks) == len(set(looks)) == 4


def test_what_a_kernel_does_not_hold_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(it: Served) -> None:
        await it.started()

    monkeypatch.setattr(confine, "landlock_version", lambda: 5)
    play(tmp_path / "trusting", scene, limits=NOTHING, confined=False)
    assert "signals" not in caplog.text
    play(tmp_path, scene, limits=NOTHING)
    assert caplog.text.count("sending signals to processes of the same user") == 1


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    async def scene(it: Served) -> None:
        with pytest.raises(UsageError, match="another server") as caught:
            async with serving(tmp_path):
                pass
        assert "--state DIR" in str(caught.value.hint)

    play(tmp_path, scene, limits=NOTHING)
