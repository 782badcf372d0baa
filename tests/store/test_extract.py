"""What a run takes along of a store."""

from __future__ import annotations

from pathlib import Path

from costmodel.store import open_store
from tests.store import builders


def test_all_of_the_workload_and_examples_of_others(tmp_path: Path) -> None:
    target, elsewhere = builders.target(), builders.target("elsewhere")
    own = builders.workload("own")
    others = [builders.workload(f"other{place}") for place in range(3)]
    with (
        open_store(tmp_path / "all.sqlite") as store,
        open_store(tmp_path / "some.sqlite") as some,
    ):
        for each in (own, *others):
            store.add_workload(each)
        store.add_target(target)
        store.add_target(elsewhere)
        mine = [
            builders.measurement(workload=own.hash, schedule=builders.schedule(tile))
            for tile in range(4)
        ]
        store.add(mine)
        store.add([builders.measurement(workload=own.hash, target=elsewhere.hash)])
        store.add_features("set", own.hash, [(builders.schedule(0), builders.features(0))])
        for other in others:
            store.add([
                builders.measurement(workload=other.hash, schedule=builders.schedule(tile))
                for tile in range(5)
            ])  # fmt: skip
            store.add_features(
                "set",
                other.hash,
                [(builders.schedule(tile), builders.features(tile)) for tile in range(4)],
            )
        some.ingest(store.extract(own.hash, target.hash, others=2, each=3))
        assert list(some.measurements(workload=own.hash)) == mine
        assert [each.hash for each in some.targets()] == [target.hash]
        known = {each.hash for each in some.workloads()}
        assert known == {own.hash, others[1].hash, others[2].hash}  # those measured last
        for other in others[1:]:
            found = [one.schedule for one in some.measurements(workload=other.hash)]
            # The latest of those that have features; without them an example teaches nothing.
            assert found == [builders.schedule(tile) for tile in (1, 2, 3)]
            assert len(list(some.features("set", workload=other.hash))) == 3
        assert len(list(some.features("set", workload=own.hash))) == 1
        assert some.verify() == []


def test_of_a_workload_that_nobody_knows(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        store.add_target(builders.target())
        found = list(store.extract("0" * 64, builders.target().hash, others=2, each=3))
    assert len(found) == 1
