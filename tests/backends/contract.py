"""What every backend must do; each implementation subclasses one of these classes.

``BackendContract`` is for whatever builds and runs candidates, ``SearchContract`` adds the space.
"""

from __future__ import annotations

import json
import math
import pickle
import random
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from costmodel.backends.base import Backend, SearchSpace
from costmodel.dtypes import NUMPY_DTYPES
from costmodel.errors import BackendError, InputError, UnsupportedError
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Schedule, Target, Workload


class BackendContract:
    """Subclasses override the four fixtures; ``computes`` is False for kernels that pretend."""

    computes: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        raise AssertionError("a contract is tested by its subclasses")

    @pytest.fixture(scope="class")
    @classmethod
    def workload(cls) -> Workload:
        raise AssertionError("a contract is tested by its subclasses")

    @pytest.fixture(scope="class")
    @classmethod
    def device(cls) -> Target:
        raise AssertionError("a contract is tested by its subclasses")

    @pytest.fixture
    def refused(self) -> list[Schedule]:
        """Schedules that cannot be built."""
        raise AssertionError("a contract is tested by its subclasses")

    def expected(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """What ``workload`` is of ``inputs``, by another way."""
        raise AssertionError("a contract is tested by its subclasses")

    @pytest.fixture
    def schedule(self, backend, workload, device) -> Schedule:
        return backend.space(workload, device).default()

    @pytest.fixture
    def kernel(self, backend, workload, device, schedule, tmp_path):
        backend.build(workload, schedule, device, tmp_path / "kernel.so")
        return backend.load(tmp_path / "kernel.so", workload, device)

    @pytest.fixture
    def inputs(self, workload) -> list[NDArray[Any]]:
        return random_inputs(workload.inputs, seed=4)

    @pytest.fixture
    def outputs(self, workload) -> list[NDArray[Any]]:
        return poisoned_outputs(workload.outputs)

    def test_it_has_a_name_and_versions(self, backend):
        assert backend.name
        versions = dict(backend.versions())
        assert versions
        assert all(isinstance(part, str) and part for item in versions.items() for part in item)
        assert versions == dict(backend.versions())

    def test_it_travels_to_workers(self, backend, workload, device):
        again = pickle.loads(pickle.dumps(backend))
        assert (again.name, again.versions()) == (backend.name, backend.versions())
        defaults = [each.space(workload, device).default() for each in (backend, again)]
        assert defaults[0] == defaults[1]

    def test_describing_gives_text_and_always_the_same(self, backend, workload, device, schedule):
        text = backend.describe(workload, schedule, device)
        assert text.strip()
        assert text == backend.describe(workload, schedule, device)

    def test_exported_files_have_names_of_their_own(self, backend, workload, device, schedule):
        names = dict(backend.file_names(schedule))
        assert set(names) == {"library", "ir"}
        companions = backend.companions(workload, schedule, device)
        files = [*names.values(), *(name for name, _ in companions.values())]
        assert len(set(files)) == len(files)
        assert all("/" not in name for name in files)
        assert all(text.strip() for _, text in companions.values())

    def test_building_writes_the_library_and_nothing_else(
        self, backend, workload, device, schedule, tmp_path
    ):
        library = tmp_path / "some where" / "kernel.so"
        library.parent.mkdir()
        assert backend.build(workload, schedule, device, library) is None
        assert [path.name for path in library.parent.iterdir()] == ["kernel.so"]
        assert library.stat().st_size > 0

    def test_what_cannot_be_built_is_an_error_of_ours(
        self, backend, workload, device, refused, tmp_path
    ):
        assert refused
        for schedule in refused:
            with pytest.raises((BackendError, InputError)) as caught:
                backend.build(workload, schedule, device, tmp_path / "kernel.so")
            assert caught.value.message.strip()
            assert list(tmp_path.iterdir()) == []

    def test_results_have_the_types_of_the_outputs(self, kernel, workload, inputs, outputs):
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        results = kernel.results()
        assert [each.shape for each in results] == [type_.shape for type_ in workload.outputs]
        assert [each.dtype for each in results] == [
            NUMPY_DTYPES[type_.dtype] for type_ in workload.outputs
        ]

    def test_results_are_right(self, kernel, inputs, outputs):
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        for result, exact in zip(kernel.results(), self._exact(inputs, outputs), strict=True):
            np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-4)

    def test_running_again_gives_the_same(self, kernel, inputs, outputs):
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        once = kernel.results()
        kernel.run(5)
        for first, last in zip(once, kernel.results(), strict=True):
            np.testing.assert_array_equal(first, last)

    def test_preparing_anew_replaces_the_inputs(self, kernel, workload, inputs, outputs):
        kernel.prepare(random_inputs(workload.inputs, seed=9), outputs)
        kernel.run(1)
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        for result, exact in zip(kernel.results(), self._exact(inputs, outputs), strict=True):
            np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-4)

    def test_the_kernel_has_buffers_of_its_own(self, kernel, inputs, outputs):
        given = [array.copy() for array in (*inputs, *outputs)]
        kernel.prepare(inputs, outputs)
        for array in (*inputs, *outputs):
            array[...] = 0
        kernel.run(1)
        results = kernel.results()
        exact = self._exact(given[: len(inputs)], given[len(inputs) :])
        for result, want in zip(results, exact, strict=True):
            np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-4)
            result[...] = 0
        for result, want in zip(kernel.results(), exact, strict=True):
            np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-4)
        assert all((array == 0).all() for array in (*inputs, *outputs))

    def test_time_is_finite_and_positive(self, kernel, inputs, outputs):
        kernel.prepare(inputs, outputs)
        seconds = kernel.run(3)
        assert math.isfinite(seconds)
        assert seconds > 0

    def test_two_kernels_live_side_by_side(
        self, backend, workload, device, schedule, inputs, outputs, tmp_path
    ):
        kernels = []
        for name, arrays in (("a", inputs), ("b", random_inputs(workload.inputs, seed=8))):
            backend.build(workload, schedule, device, tmp_path / f"{name}.so")
            kernel = backend.load(tmp_path / f"{name}.so", workload, device)
            kernel.prepare(arrays, outputs)
            kernels.append(kernel)
        for kernel in kernels:
            kernel.run(1)
        for result, exact in zip(kernels[0].results(), self._exact(inputs, outputs), strict=True):
            np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-4)

    def _exact(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Kernels that do not compute leave the outputs as they were given."""
        return self.expected(inputs) if self.computes else outputs


class SearchContract(BackendContract):
    """The space as a search uses it, one for all tests of a backend: none changes what it is."""

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls, backend, workload, device) -> SearchSpace:
        return backend.space(workload, device)

    def test_a_workload_it_cannot_schedule_is_unsupported(self, backend, device):
        text = "module {\n  func.func @main() {\n    return\n  }\n}\n"
        with pytest.raises(UnsupportedError) as caught:
            backend.space(Workload(text, "nothing", (), ()), device)
        assert caught.value.message

    def test_the_default_is_always_the_same_and_can_be_described(
        self, backend, space, workload, device
    ):
        default = space.default()
        assert isinstance(default, Schedule)
        assert default == backend.space(workload, device).default()
        assert backend.describe(workload, default, device)

    def test_schedules_are_json(self, space):
        for schedule in (space.default(), *space.guesses(), *space.sample(4, random.Random(0))):
            assert isinstance(json.loads(schedule.text), dict)

    def test_guesses_are_distinct_and_always_the_same(self, backend, space, workload, device):
        guesses = space.guesses()
        assert len({guess.hash for guess in guesses}) == len(guesses)
        assert guesses == backend.space(workload, device).guesses()

    @pytest.mark.parametrize("count", [0, 1, 7, 20])
    def test_a_sample_has_as_many_as_asked_for_each_once(self, space, count):
        drawn = space.sample(count, random.Random(1))
        assert len(drawn) == count
        assert len({schedule.hash for schedule in drawn}) == count

    def test_a_seed_draws_the_same(self, backend, workload, device):
        first, second = (
            backend.space(workload, device).sample(9, random.Random(6)) for _ in range(2)
        )
        assert first == second

    def test_seeds_draw_different_schedules(self, space):
        assert space.sample(9, random.Random(1)) != space.sample(9, random.Random(2))

    def test_a_mutation_is_another_schedule_that_has_features(self, space):
        rng = random.Random(3)
        parents = space.sample(6, rng)
        children = [space.mutate(parent, rng) for parent in parents]
        found = [
            (parent, child)
            for parent, child in zip(parents, children, strict=True)
            if child is not None
        ]
        assert found
        assert all(child.hash != parent.hash for parent, child in found)
        assert len(space.features([child for _, child in found])) == len(found)

    def test_features_are_one_matrix_a_schedule_in_order(self, space):
        schedules = space.sample(5, random.Random(2))
        together = space.features(schedules)
        widths = {(s.backend, row.shape[1]) for s, row in zip(schedules, together, strict=True)}
        assert len(widths) == len({schedule.backend for schedule in schedules})
        for schedule, row in zip(schedules, together, strict=True):
            assert row.dtype == np.float32
            assert row.shape[0] >= 1
            assert np.isfinite(row).all()
            np.testing.assert_array_equal(row, space.features([schedule])[0])
        assert space.features([]) == []

    def test_it_accepts_its_own_schedules_and_no_others(self, space, refused):
        own = [space.default(), *space.guesses(), *space.sample(5, random.Random(2))]
        assert all(space.accepts(schedule) for schedule in own)
        assert not any(space.accepts(schedule) for schedule in refused)

    def test_groups_are_kernels_of_named_operations(self, space):
        for schedule in [space.default(), *space.guesses()[:3], *space.sample(2, random.Random(5))]:
            groups = space.groups(schedule)
            assert groups == space.groups(schedule)
            assert bool(groups) == self.computes
            for group in groups:
                assert group
                assert len(set(group)) == len(group)

    def test_the_groups_of_a_schedule_of_none_are_refused(self, space, refused):
        for schedule in refused:
            with pytest.raises((BackendError, InputError)):
                space.groups(schedule)

    def test_its_parts_have_its_schedules(self, space):
        schedules = [space.default(), *space.guesses(), *space.sample(5, random.Random(2))]
        for schedule in schedules:
            part = space.parts[schedule.backend]
            assert part.accepts(schedule)
            np.testing.assert_array_equal(
                part.features([schedule])[0], space.features([schedule])[0]
            )

    def test_the_feature_set_has_a_name(self, backend, space, workload, device):
        assert space.feature_set
        assert space.feature_set == backend.space(workload, device).feature_set

    def test_samples_can_be_built_and_are_right(
        self, backend, space, workload, device, inputs, outputs, tmp_path
    ):
        for number, schedule in enumerate(space.sample(3, random.Random(7))):
            library = tmp_path / f"{number}.so"
            backend.build(workload, schedule, device, library)
            kernel = backend.load(library, workload, device)
            kernel.prepare(inputs, outputs)
            kernel.run(1)
            for result, exact in zip(kernel.results(), self._exact(inputs, outputs), strict=True):
                np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-4)
