"""Candidates for models: recorded ones of real kernels, and made-up ones of any features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.replay import Recording
from costmodel.models.base import Example, Query
from costmodel.records import Candidate, Schedule, Target, Workload

RECORDINGS = Path(__file__).parent.parent / "data" / "replay"


def examples_of(recording: Recording, indices=None) -> list[Example]:
    chosen = range(len(recording.schedules)) if indices is None else indices
    return [
        Example(
            Query(
                Candidate(recording.workload, recording.schedules[i], recording.target),
                recording.features[i],
            ),
            float(recording.latency_us[i]),
        )
        for i in chosen
    ]


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    return [Recording.load(path) for path in sorted(RECORDINGS.glob("*.npz"))]


@pytest.fixture(scope="session", name="examples_of")
def _examples_of():
    return examples_of


@pytest.fixture(scope="session")
def matmul(recordings) -> list[Example]:
    chosen = next(r for r in recordings if r.workload.function.startswith("matmul_128"))
    return examples_of(chosen)


@pytest.fixture
def target() -> Target:
    return Target(
        "cpu", "x86_64", "any", (), 2, (32 << 10, 1 << 20, 16 << 20), 64, {"f32": 2e11}, 2e10
    )


@pytest.fixture
def make_query(target):
    def make(features, text="made up", name="s") -> Query:
        workload = Workload(text, "f", (), ())
        rows = np.asarray(features, dtype=np.float32)
        return Query(Candidate(workload, Schedule("made", name), target), rows)

    return make
