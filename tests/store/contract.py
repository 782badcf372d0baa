"""What every measurement store must do; each implementation subclasses ``StoreContract``."""

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.errors import StoreError
from costmodel.records import Outcome, TimingPolicy
from costmodel.store.base import MeasurementStore
from tests.store import builders


class StoreContract:
    """Subclasses override ``make``; a store is empty and has a workload and a target added."""

    _names = itertools.count()

    def make(self, directory) -> MeasurementStore:
        raise AssertionError("a contract is tested by its subclasses")

    @pytest.fixture
    def store(self, tmp_path) -> Iterator[MeasurementStore]:
        store = self.make(tmp_path)
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        yield store
        store.close()

    def test_workload_round_trip(self, store):
        workload = builders.workload("g")
        assert store.workload(workload.hash) is None
        store.add_workload(workload)
        assert store.workload(workload.hash) == workload
        assert {each.function for each in store.workloads()} == {"f", "g"}

    def test_adding_a_workload_again_does_nothing(self, store):
        first = builders.workload()
        renamed = type(first)(first.text, "another_name", first.inputs, first.outputs)
        store.add_workload(renamed)
        assert [each.function for each in store.workloads()] == ["f"]

    def test_rates_of_a_known_target_are_refreshed(self, store):
        faster = builders.target(peak_flops={"f32": 9e11, "f64": 4e11}, bandwidth=5e10)
        store.add_target(faster)
        found = store.target(faster.hash)
        assert found == faster
        assert found.peak_flops == faster.peak_flops
        assert found.bandwidth == 5e10

    def test_an_unknown_target_is_none(self, store):
        assert store.target("0" * 64) is None

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_measurement_round_trip(self, store, outcome):
        given = builders.measurement(
            1.0, 1e-9, 0.1, outcome=outcome, error="line\n\ttab é \x00 end", extra={"a": [1, {}]}
        )
        assert store.add([given]) == 1
        assert list(store.measurements()) == [given]

    @pytest.mark.parametrize("sample", [0.0, -5.0])
    def test_a_correct_kernel_takes_time(self, store, sample):
        with pytest.raises(ValueError, match="above zero"):
            store.add([builders.measurement(2.0, sample)])
        assert list(store.measurements()) == []

    @pytest.mark.parametrize("worst", [None, 0.0, float("inf")])
    def test_greatest_error_round_trip(self, store, worst):
        store.add([builders.measurement(max_error=worst)])
        assert next(store.measurements()).max_error == worst

    def test_greatest_error_may_be_no_number(self, store):
        store.add([builders.failure(Outcome.WRONG_RESULT, max_error=float("nan"))])
        assert np.isnan(next(store.measurements()).max_error)

    def test_a_known_id_is_left_out(self, store):
        first, second = builders.measurement(), builders.measurement()
        assert store.add([first]) == 1
        assert store.add([first, second, second]) == 1
        assert [each.id for each in store.measurements()] == [first.id, second.id]

    def test_an_unknown_workload_is_refused_and_nothing_added(self, store):
        stranger = builders.measurement(workload="0" * 64)
        with pytest.raises(StoreError, match="workload or target"):
            store.add([builders.measurement(), stranger])
        assert list(store.measurements()) == []

    def test_measurements_match_every_given_field(self, store):
        store.add_workload(builders.workload("g"))
        store.add_target(builders.target("other"))
        base = builders.measurement()
        variants = {
            "workload": builders.measurement(workload=builders.workload("g").hash),
            "target": builders.measurement(target=builders.target("other").hash),
            "backend": builders.measurement(schedule=builders.schedule(backend="iree")),
            "toolchain": builders.measurement(environment=builders.environment("2.0")),
            "policy": builders.measurement(policy=TimingPolicy(warmup=7)),
        }
        store.add([base, *variants.values()])
        wanted = {
            "workload": base.workload,
            "target": base.target,
            "backend": "tvm",
            "toolchain": base.environment.toolchain,
            "policy": base.policy.hash,
        }
        assert list(store.measurements(**wanted)) == [base]
        for field, value in wanted.items():
            found = {each.id for each in store.measurements(**{field: value})}
            expected = {base.id} | {each.id for name, each in variants.items() if name != field}
            assert found == expected

    def test_oldest_first_whatever_the_order_of_adding(self, store):
        late, early = builders.measurement(timestamp=20.0), builders.measurement(timestamp=10.0)
        store.add([late])
        store.add([early])
        assert [each.timestamp for each in store.measurements()] == [10.0, 20.0]

    def test_adding_while_iterating_ends(self, store):
        store.add(builders.measurement() for _ in range(5))
        seen = 0
        for each in store.measurements():
            store.add([builders.measurement(timestamp=each.timestamp + 1e6)])
            seen += 1
        assert seen == 5
        assert len(list(store.measurements())) == 10

    def test_many_measurements_come_back_whole_and_in_order(self, store):
        given = [builders.measurement(1.0 + n) for n in range(1203)]
        assert store.add(given) == 1203
        assert list(store.measurements()) == given

    def test_best_of_nothing_is_none(self, store):
        asked = {"workload": builders.workload().hash, "target": builders.target().hash}
        assert store.best(**asked) is None
        store.add([builders.failure(outcome) for outcome in Outcome if outcome != Outcome.OK])
        assert store.best(**asked) is None

    def test_best_pools_the_samples_of_a_key(self, store):
        lucky = builders.measurement(1.0, schedule=builders.schedule(1))
        honest = builders.measurement(9.0, 9.0, 9.0, schedule=builders.schedule(1))
        steady = builders.measurement(5.0, 5.0, 5.0, schedule=builders.schedule(2))
        store.add([lucky, honest, steady])
        best = store.best(workload=lucky.workload, target=lucky.target)
        assert best == steady

    def test_best_stands_for_its_key_and_not_for_its_luck(self, store):
        lucky = builders.measurement(1.0)
        typical = builders.measurement(4.0, 4.0, 4.0)
        store.add([lucky, typical])
        assert store.best(workload=lucky.workload, target=lucky.target) == typical

    def test_a_key_that_ever_was_wrong_is_not_best(self, store):
        fast = builders.measurement(1.0, schedule=builders.schedule(1))
        wrong = builders.failure(Outcome.WRONG_RESULT, schedule=builders.schedule(1))
        slow = builders.measurement(8.0, schedule=builders.schedule(2))
        store.add([fast, wrong, slow])
        assert store.best(workload=fast.workload, target=fast.target) == slow

    def test_a_key_whose_latest_measurement_is_a_failure_is_not_best(self, store):
        fast, other = builders.schedule(1), builders.schedule(2)
        late = builders.failure(Outcome.CRASH, schedule=fast)
        store.add([late])
        # Another store's, merged in later.
        early = builders.measurement(1.0, schedule=fast, timestamp=late.timestamp - 0.5)
        slow = builders.measurement(8.0, schedule=other)
        store.add([early, slow])
        asked = {"workload": early.workload, "target": early.target}
        assert store.best(**asked) == slow
        again = builders.measurement(2.0, schedule=fast)
        store.add([again])
        assert store.best(**asked) in (early, again)

    def test_best_keeps_toolchains_and_backends_apart(self, store):
        old = builders.measurement(1.0, environment=builders.environment("0.9"))
        new = builders.measurement(3.0, environment=builders.environment("1.0"))
        iree = builders.measurement(2.0, schedule=builders.schedule(backend="iree"))
        store.add([old, new, iree])
        asked = {"workload": old.workload, "target": old.target}
        assert store.best(**asked) == old
        assert store.best(**asked, toolchain=new.environment.toolchain, backend="tvm") == new
        assert store.best(**asked, backend="iree") == iree
        assert store.best(**asked, policy=TimingPolicy(warmup=9).hash) is None

    @settings(
        max_examples=40,
        deadline=None,
        # each implementation of the contract is another executor of it
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(
        st.lists(
            st.tuples(
                st.integers(1, 4),
                st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.WRONG_RESULT]),
                st.lists(st.integers(1, 30).map(float), max_size=4),
            ),
            max_size=12,
        )
    )
    def test_best_agrees_with_its_definition(self, tmp_path_factory, drawn):
        store = self.make(tmp_path_factory.mktemp("best"))
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        added = [
            builders.measurement(schedule=builders.schedule(tile), outcome=outcome,
                                 samples_us=tuple(samples))
            for tile, outcome, samples in drawn
        ]  # fmt: skip
        store.add(added)
        pools: dict[str, list[float]] = {}
        for each in added:
            pools.setdefault(each.key, []).extend(each.samples_us if each.ok else ())
        wrong = {each.key for each in added if each.outcome is Outcome.WRONG_RESULT}
        medians = {
            key: float(np.median(pool)) for key, pool in pools.items() if pool and key not in wrong
        }
        best = store.best(workload=builders.workload().hash, target=builders.target().hash)
        if not medians:
            assert best is None
        else:
            assert medians[best.key] == min(medians.values())
            assert best in added
            assert best.ok
        store.close()

    def test_features_round_trip(self, store):
        workload = builders.workload()
        other = builders.workload("g")
        store.add_workload(other)
        arrays = {builders.schedule(n): builders.features(n, stores=n) for n in range(4)}
        store.add_features("per-store-1", workload.hash, list(arrays.items()))
        store.add_features(
            "per-store-1", other.hash, [(builders.schedule(9), arrays[builders.schedule(1)])]
        )
        store.add_features(
            "per-store-2", workload.hash, [(builders.schedule(1), builders.features(7))]
        )
        found = list(store.features("per-store-1", workload=workload.hash))
        assert {(w, s) for w, s, _ in found} == {(workload.hash, s.hash) for s in arrays}
        by_hash = {schedule.hash: array for schedule, array in arrays.items()}
        for _, schedule, array in found:
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, by_hash[schedule])
        assert len(list(store.features("per-store-1"))) == 5
        assert len(list(store.features("per-store-2"))) == 1
        assert list(store.features("unknown")) == []

    def test_features_added_twice_are_kept_once(self, store):
        rows = [(builders.schedule(1), builders.features(1))]
        for _ in range(2):
            store.add_features("set", builders.workload().hash, rows)
        assert len(list(store.features("set"))) == 1

    def test_threads_may_share_a_store(self, store):
        def work():
            for _ in range(25):
                store.add([builders.measurement()])
                list(store.measurements(workload=builders.workload().hash))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(list(store.measurements())) == 100

    def test_stats_count_everything(self, store):
        store.add([builders.measurement(), builders.failure(Outcome.CRASH)])
        stats = store.stats()
        assert stats["measurements"] == 2
        assert stats["by_outcome"] == {"ok": 1, "crash": 1}
        assert stats["by_workload"] == {builders.workload().hash: 2}
        assert stats["by_target"] == {builders.target().hash: 2}
        assert stats["by_backend"] == {"tvm": 2}
        assert stats["size_bytes"] > 0

    def test_a_sound_store_verifies(self, store):
        store.add([builders.measurement(), builders.failure(Outcome.BUILD_ERROR)])
        store.add_features(
            "set", builders.workload().hash, [(builders.schedule(), builders.features(1))]
        )
        assert store.verify() == []

    def test_closing_twice_does_nothing(self, store):
        store.close()
        store.close()
