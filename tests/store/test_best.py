"""The best of a workload, found anew and from what was the best before: the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.records import Outcome
from costmodel.store import open_store
from tests.store import builders

KEY = {"workload": builders.workload().hash, "target": builders.target().hash}
#: Schedule, version of the toolchain, samples (none: a failure, or a wrong result), and when.
ADDED = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["1.0", "2.0"]),
    st.one_of(
        st.lists(st.integers(1, 6).map(float), min_size=1, max_size=3),
        st.sampled_from([Outcome.WRONG_RESULT, Outcome.CRASH]),
    ),
    st.integers(1, 5),
)


def _measurement(tile, version, found, when):
    changes = {
        "schedule": builders.schedule(tile), "environment": builders.environment(version),
        "timestamp": float(when),
    }  # fmt: skip
    if isinstance(found, Outcome):
        return builders.failure(found, **changes)
    return builders.measurement(*found, **changes)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Opens a store that has the workload and target, and no measurement."""
    folder, made = tmp_path_factory.mktemp("best"), []

    def make():
        made.append(folder / f"{len(made)}.sqlite")
        store = open_store(made[-1])
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        return store

    return make


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(ADDED, max_size=4), max_size=5),
    toolchain=st.sampled_from([None, builders.environment("1.0").toolchain]),
)
def test_from_the_best_before_as_anew(fresh, batches, toolchain):
    with fresh() as store:
        asked = KEY | {"toolchain": toolchain}
        number, known = store.newest(), store.best_known(**asked)
        for batch in batches:
            store.add(_measurement(*one) for one in batch)
            known, number = store.best_since(known, number, **asked), store.newest()
            anew = store.best_known(**asked)
            assert (known and known[0]) == (anew and anew[0])
