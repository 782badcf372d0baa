"""The replay backend: what was recorded comes back, from a file and from a store."""

from __future__ import annotations

import math
import pickle
import random
import uuid
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.registry import BACKENDS, load
from costmodel.backends.replay import Recording, ReplayBackend
from costmodel.errors import BackendError, InputError, UnsupportedError, UsageError
from costmodel.models.boosted import Boosted
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TensorType,
    TimingPolicy,
    Workload,
)
from costmodel.search.evolutionary import EvolutionarySearch
from costmodel.store import open_store

DATA = Path(__file__).parent.parent / "data" / "replay"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording.load(DATA / "matmul_128x768x768.npz")


@pytest.fixture
def backend(recording) -> ReplayBackend:
    return ReplayBackend((recording,))


def test_a_recording_survives_saving(recording, tmp_path):
    failed = np.where(np.arange(len(recording.schedules)) == 3, np.inf, recording.latency_us)
    changed = Recording(
        recording.workload, recording.target, recording.schedules, failed,
        recording.features, recording.feature_set,
    )  # fmt: skip
    changed.save(tmp_path / "copy.npz")
    again = Recording.load(tmp_path / "copy.npz")
    assert (again.workload, again.target) == (changed.workload, changed.target)
    assert again.target.peak_flops == changed.target.peak_flops
    assert again.schedules == changed.schedules
    np.testing.assert_allclose(again.latency_us, failed, rtol=1e-6)
    for one, other in zip(again.features, changed.features, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("content", [b"", b"not a zip file", pickle.dumps({"a": 1})])
def test_a_file_that_is_no_recording_is_refused(content, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.npz: not a recording"):
        Recording.load(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(InputError, match="not a recording"):
        Recording.load(tmp_path / "other.npz")


def test_samples_and_mutations_are_recorded_schedules(backend, recording):
    space = backend.space(recording.workload, recording.target)
    rng = random.Random(0)
    drawn = space.sample(40, rng)
    assert len({s.hash for s in drawn}) == 40
    for schedule in drawn:
        mutant = space.mutate(schedule, rng)
        assert mutant != schedule
        assert math.isfinite(space.latency_us(mutant))
    assert len(space.sample(10**6, rng)) == len(recording.schedules)


def test_neighbours_are_more_alike_in_latency_than_strangers(recording):
    logs = np.log(recording.latency_us)
    near = np.abs(logs[recording.neighbours] - logs[:, None]).mean()
    far = np.abs(logs[:, None] - logs[None, :]).mean()
    assert near < 0.9 * far


def test_building_and_running_replays_the_latency(backend, recording, tmp_path):
    schedule = recording.schedules[5]
    backend.build(recording.workload, schedule, recording.target, tmp_path / "lib")
    kernel = backend.load(tmp_path / "lib", recording.workload, recording.target)
    given = np.arange(6.0).reshape(2, 3)
    kernel.prepare([], [given])
    assert kernel.run(10) == pytest.approx(10e-6 * recording.latency_us[5])
    np.testing.assert_array_equal(kernel.results()[0], given)


def test_what_failed_then_fails_again(recording, tmp_path):
    failed = Recording(
        recording.workload, recording.target, recording.schedules,
        np.full(len(recording.schedules), np.inf), recording.features, recording.feature_set,
    )  # fmt: skip
    backend = ReplayBackend((failed,))
    with pytest.raises(BackendError, match="failed when it was recorded"):
        backend.build(failed.workload, failed.schedules[0], failed.target, tmp_path / "lib")
    assert not (tmp_path / "lib").exists()


def test_an_unmeasured_schedule_is_an_error(backend, recording, tmp_path):
    unknown = Schedule("replay", "{}")
    with pytest.raises(BackendError, match="never measured"):
        backend.build(recording.workload, unknown, recording.target, tmp_path / "lib")
    with pytest.raises(BackendError, match="never measured"):
        backend.space(recording.workload, recording.target).features([unknown])


def test_an_unrecorded_workload_is_unsupported(backend, recording):
    with pytest.raises(UnsupportedError, match="never recorded"):
        backend.space(Workload("other", "other", (), ()), recording.target)


def test_it_travels_to_workers(backend, recording):
    again = pickle.loads(pickle.dumps(backend))
    assert again.versions() == backend.versions()
    assert again.space(recording.workload, recording.target).default() == recording.schedules[0]


def test_versions_tell_recordings_apart(backend, recording):
    other = Recording(
        recording.workload, recording.target, recording.schedules, recording.latency_us * 2,
        recording.features, recording.feature_set,
    )  # fmt: skip
    assert ReplayBackend((other,)).versions() != backend.versions()


def test_a_search_over_a_recording_repeats_itself_and_finds_fast_schedules(backend, recording):
    def run():
        space = backend.space(recording.workload, recording.target)
        search = EvolutionarySearch(
            space, Boosted(seed=1), recording.workload, recording.target, seed=1
        )
        told = []
        for _ in range(4):
            batch = [(s, space.latency_us(s)) for s in search.ask(12)]
            search.tell(batch)
            told += batch
        return told

    told = run()
    assert told == run()
    assert min(latency for _, latency in told) <= 1.15 * recording.latency_us.min()


def test_a_recording_of_a_store(tmp_path):
    store = open_store(tmp_path / "store.sqlite")
    workload = Workload("w", "f", (TensorType((4,), "f32"),), (TensorType((4,), "f32"),))
    target = Target("cpu", "x86_64", "any", (), 1, (), 32)
    environment = Environment({"tvm": "1"}, {})
    schedules = [Schedule("tvm", str(i)) for i in range(4)]
    store.add_workload(workload)
    store.add_target(target)

    def measurement(i, outcome, samples):
        return Measurement(
            str(uuid.uuid4()), workload.hash, schedules[i], target.hash, environment,
            TimingPolicy(), outcome, samples, 0.0,
        )  # fmt: skip

    store.add(
        [
            measurement(0, Outcome.OK, (1.0, 2.0, 9.0)),
            measurement(1, Outcome.CRASH, ()),
            measurement(0, Outcome.OK, (2.0, 2.0)),
            measurement(2, Outcome.OK, (5.0,)),
        ]
    )
    rows = [(s, np.full((2, 3), i, np.float32)) for i, s in enumerate(schedules[:2])]
    store.add_features("set-1", workload.hash, rows)
    recording = Recording.of_store(store, workload, target, "set-1")
    assert recording.schedules == (schedules[0], schedules[1])
    assert recording.latency_us.tolist() == [2.0, math.inf]
    with pytest.raises(UnsupportedError, match="no measurement"):
        Recording.of_store(store, workload, target, "set-2")
    store.close()


def test_the_registry_knows_its_backends():
    assert "tvm" in BACKENDS
    with pytest.raises(UsageError, match="no backend is called 'gcc'") as caught:
        load("gcc")
    assert "tvm" in caught.value.hint
