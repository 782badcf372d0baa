"""The space: what it offers is valid, distinct, repeatable, and described by numbers."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.knobs import InvalidKnobsError
from costmodel.backends.tvm.replay import lowered, replay
from costmodel.backends.tvm.space import TVMSpace
from costmodel.backends.tvm.template import schedule_noting
from costmodel.backends.tvm.texts import template_text
from costmodel.ir import analyze, read_text
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TimingPolicy,
    Workload,
)
from costmodel.session import Session
from costmodel.store import open_store
from tests.backends.tvm.programs import Function

CASES = Path(__file__).with_name("lowering_cases")


def dense() -> Workload:
    f = Function()
    a, b = f.argument([48, 40], "f32"), f.argument([40, 96], "f32")
    product = f.op("matmul", [a, b], f.filled("0.0", [48, 96], "f32"))
    bias = f.argument([96], "f32")
    return read_text(
        f.text(f.map([(product, "ij"), (bias, "j")], "ij", product, "%y = arith.addf %a, %b : T"))
    )


def rows() -> Workload:
    f = Function()
    x = f.argument([16, 130], "f32")
    return read_text(f.text(f.op("softmax dimension(1)", [x], f.filled("0.0", [16, 130], "f32"))))


def constant() -> Workload:
    """Nothing to decide: one element."""
    f = Function()
    x = f.argument([1], "f32")
    return read_text(f.text(f.map([(x, "i")], "i", x, "%y = arith.addf %a, %a : T")))


def several_stores() -> Workload:
    """A block of two results, which the templates do not take."""
    return read_text((CASES / "chains.mlir").read_text())


WORKLOADS = {
    "dense": dense,
    "rows": rows,
    "constant": constant,
    "several_stores": several_stores,
}


@pytest.fixture(scope="module", params=WORKLOADS)
def workload(request) -> Workload:
    return WORKLOADS[request.param]()


@pytest.fixture(scope="module")
def space(workload, target) -> TVMSpace:
    return TVMSpace(workload, target)


def kind(schedule: Schedule) -> str:
    return json.loads(schedule.text)["kind"]


def test_a_seed_draws_the_same_from_another_space(workload, target):
    def walk() -> list[Schedule | None]:
        space, rng = TVMSpace(workload, target), random.Random(3)
        drawn = space.sample(12, rng)
        return [*space.guesses(), *drawn, *(space.mutate(s, rng) for s in drawn[:6])]

    assert walk() == walk()


def test_another_seed_draws_something_else(target):
    space = TVMSpace(dense(), target)
    assert space.sample(8, random.Random(0)) != space.sample(8, random.Random(1))


def test_samples_are_distinct_texts_of_distinct_programs(space, workload, target):
    drawn = space.sample(24, random.Random(5))
    assert len({schedule.hash for schedule in drawn}) == len(drawn)
    programs = {replay(workload, schedule, target).mod.script() for schedule in drawn}
    assert len(programs) == len(drawn)


def test_a_large_space_gives_as_many_as_asked_for(target):
    assert len(TVMSpace(dense(), target).sample(40, random.Random(0))) == 40


def test_a_small_space_gives_what_it_has_and_ends(target):
    space = TVMSpace(constant(), target)
    assert len(space.sample(10_000, random.Random(0))) < 100


def test_both_sources_are_sampled_where_both_apply(target):
    drawn = TVMSpace(dense(), target).sample(40, random.Random(0))
    kinds = [kind(schedule) for schedule in drawn]
    assert kinds.count("template") > kinds.count("trace") > 0


def test_rules_alone_serve_where_the_templates_do_not_apply(target):
    workload = several_stores()
    assert lowered(workload.text)[1] is None
    space = TVMSpace(workload, target)
    drawn = space.sample(6, random.Random(0))
    assert space.options == {}
    assert space.guesses() == []
    assert {kind(schedule) for schedule in drawn} <= {"trace"}
    assert replay(workload, space.default(), target).mod is not None


def test_a_mutation_is_another_program_of_the_space(space, workload, target):
    rng = random.Random(11)
    parents = [space.default(), *space.sample(6, rng)]
    pairs = [(parent, space.mutate(parent, rng)) for parent in parents]
    found = [(parent, child) for parent, child in pairs if child is not None]
    assert len(found) >= (len(pairs) + 1) // 2 or len(parents) < 4
    for parent, child in found:
        assert child.hash != parent.hash
        before, after = (replay(workload, one, target).mod for one in (parent, child))
        assert before.script() != after.script()


def test_a_program_that_equals_the_default_is_the_default(target):
    space = TVMSpace(constant(), target)
    everything = [space.default(), *space.sample(20, random.Random(0)), *space.guesses()]
    programs = {replay(constant(), schedule, target).mod.script() for schedule in everything}
    assert len(programs) == len({schedule.hash for schedule in everything})


def test_a_program_that_a_store_knows_keeps_the_text_that_it_has_there(target):
    """Two texts of one program, of which an earlier run has measured one."""
    first = TVMSpace(dense(), target).guesses()[0]
    knobs = json.loads(first.text)["knobs"]
    idle = {"matmul.size_s0": 16} if knobs["matmul.vec"] == "s1" else {"matmul.size_s1": 16}
    measured = Schedule("tvm", template_text(knobs | idle))
    assert measured.hash != first.hash
    space = TVMSpace(dense(), target)
    assert space.accepts(measured)
    assert space.guesses()[0] == measured
    offered = [*space.guesses(), *space.sample(60, random.Random(0))]
    assert first not in offered


def test_mutations_of_a_template_differ_in_few_knobs(target):
    space, rng = TVMSpace(dense(), target), random.Random(2)
    parent = next(iter(space.guesses()))
    for _ in range(10):
        child = space.mutate(parent, rng)
        assert child is not None
        before, after = (json.loads(one.text)["knobs"] for one in (parent, child))
        common = before.keys() & after.keys()
        # A change of the vector axis brings other knobs with it; those in common say little then.
        assert sum(before[name] != after[name] for name in common) <= 2


def test_guesses_are_distinct_templates_and_the_first_is_first_options(target):
    for workload in (dense(), rows()):
        space = TVMSpace(workload, target)
        guesses = space.guesses()
        assert guesses
        assert {kind(guess) for guess in guesses} == {"template"}
        assert len({guess.hash for guess in guesses}) == len(guesses)
        first = json.loads(guesses[0].text)["knobs"]
        assert first == {name: space.options[name][0] for name in first}


def test_features_are_numbers_and_follow_the_text(space, workload, target):
    schedules = [space.default(), *space.sample(5, random.Random(1))]
    rows = space.features(schedules)
    assert len(rows) == len(schedules)
    for row in rows:
        assert row.dtype == np.float32
        assert row.ndim == 2
        assert row.shape[0] >= 1
        assert row.shape[1] == 164
        assert np.isfinite(row).all()
    # From texts alone, as a later run does it.
    for row, again in zip(rows, TVMSpace(workload, target).features(schedules), strict=True):
        np.testing.assert_array_equal(row, again)


def test_features_tell_schedules_apart(target):
    space = TVMSpace(dense(), target)
    rows = space.features(space.sample(20, random.Random(0)))
    assert len({row.tobytes() for row in rows}) >= 18


def test_a_damaged_schedule_in_a_store_is_left_out_of_what_is_known(target):
    backend, workload, policy = TVMBackend(), dense(), TimingPolicy()
    session = Session("dense.mlir", workload, analyze(workload), target, backend, policy)
    trace = next(s for s in session.space.sample(40, random.Random(0)) if kind(s) == "trace")
    good = [session.space.default(), *session.space.guesses()[:1], trace]
    damaged = [
        Schedule("tvm", "{"),
        Schedule("tvm", template_text({"conv.vec": "s1"})),
        Schedule("tvm", trace.text.replace("GetLoops", "GetLoopz")),
    ]
    environment = Environment(dict(backend.versions()), {})
    with open_store(Path(":memory:")) as store:
        store.add_workload(workload)
        store.add_target(target)
        store.add(
            Measurement(
                str(uuid.uuid4()), workload.hash, schedule, target.hash, environment, policy,
                Outcome.OK, (1.0,), 0.0,
            )
            for schedule in (*good, *damaged)
        )  # fmt: skip
        with pytest.warns(UserWarning, match=r"3 of 6 .* cannot be replayed"):
            known = session.known(store)
    assert set(known) == {schedule.hash for schedule in good}
    assert len(session.space.features([ms[0].schedule for ms in known.values()])) == 3


def test_knobs_that_exclude_each_other_are_not_accepted(target, monkeypatch):
    """Each has an option that there is; an earlier version made a program of them together."""
    space = TVMSpace(dense(), target)
    good, bad = space.guesses()[:2]

    def schedule(program, knobs, machine, options):
        if knobs == json.loads(bad.text)["knobs"]:
            raise InvalidKnobsError("rows and panels")
        return schedule_noting(program, knobs, machine, options)

    monkeypatch.setattr("costmodel.backends.tvm.replay.schedule_noting", schedule)
    later = TVMSpace(dense(), target)
    assert later.accepts(good)
    assert not later.accepts(bad)


def test_the_target_decides(workload, target):
    """Fewer threads or narrower vectors make another space, and never an invalid one."""
    narrow = replace(target, vector_bytes=16, threads=1)
    space = TVMBackend().space(workload, narrow)
    for schedule in [space.default(), *space.guesses(), *space.sample(4, random.Random(0))]:
        assert replay(workload, schedule, narrow).mod is not None


def test_features_have_another_name_where_texts_are_other_programs(target, monkeypatch):
    """Merged stores keep one row for each text and name."""

    def name(target: Target) -> str:
        return TVMBackend().space(dense(), target).feature_set

    names = {name(target), name(replace(target, vector_bytes=16)), name(replace(target, threads=9))}
    monkeypatch.setattr("costmodel.backends.tvm.versions.SPACE_VERSION", "another")
    assert name(target) not in names
    assert len(names) == 3


def test_examples_are_of_this_toolchain_and_policy(target):
    backend, workload, policy = TVMBackend(), dense(), TimingPolicy()
    session = Session("dense.mlir", workload, analyze(workload), target, backend, policy)
    schedule = session.space.default()
    here, patient = Environment(dict(backend.versions()), {}), replace(policy, budget_s=99.0)
    older = Environment({"apache-tvm": "0.1"}, {})
    measured = [(here, policy, 1.0), (older, policy, 7.0), (here, patient, 9.0)]
    with open_store(Path(":memory:")) as store:
        store.add_workload(workload)
        store.add_target(target)
        store.add(
            Measurement(
                str(uuid.uuid4()), workload.hash, schedule, target.hash, environment, how,
                Outcome.OK, (latency,), 0.0,
            )
            for environment, how, latency in measured
        )  # fmt: skip
        features = session.space.features([schedule])
        store.add_features(session.space.feature_set, workload.hash, [(schedule, features[0])])
        assert [one.latency_us for one in session.examples(store, session.space, own=True)] == [1.0]
