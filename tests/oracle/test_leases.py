"""Candidates on loan: to whom they go, what comes of those that do not come back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from costmodel.errors import StoreError
from costmodel.oracle.convert import FieldError, policy_from, schedule_from
from costmodel.oracle.leases import UNMEASURED, LeasePool
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.writer import Writer
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
from costmodel.store import open_store

KERNEL = Workload("module {}", "f", (TensorType((4,), "f32"),), (TensorType((4,), "f32"),))
TARGET = Target("cpu", "x86_64", "a cpu", (), 2, (32768,), 32)
VERSIONS = {"tvm": {"apache-tvm": "1"}}
POLICY = TimingPolicy()
#: Far longer than anything here takes.
PATIENCE_S = 60.0


def schedules(count: int) -> list[Schedule]:
    return [Schedule("tvm", f'{{"tile":{place}}}') for place in range(count)]


def measured(candidate: pb.LeasedCandidate, **changes: Any) -> Measurement:
    """As a client would have measured it."""
    values = {
        "id": str(uuid.uuid4()), "workload": candidate.workload,
        "schedule": schedule_from(candidate.schedule), "target": TARGET.hash,
        "environment": Environment(VERSIONS["tvm"], {}), "policy": policy_from(candidate.policy),
        "outcome": Outcome.OK, "samples_us": (5.0, 6.0, 7.0), "timestamp": 1.7e9,
    }  # fmt: skip
    return Measurement(**(values | changes))


@dataclass
class Scene:
    """A pool over a real store with one run in it."""

    pool: LeasePool
    stored: Callable[[], list[Measurement]]
    delivered: list[Measurement] = field(default_factory=list)

    async def take(
        self, count: int = 1, wait_s: float = 0.0, term_s: float = 3600.0, target: Target = TARGET
    ) -> Sequence[pb.LeasedCandidate]:
        return await self.pool.lease(target.hash, count, wait_s, term_s)


Play = Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a scene with a run ``tunes/1`` that waits for three candidates."""

    def run(scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
        async def inside() -> None:
            with open_store(tmp_path / "store.sqlite") as store:
                store.add_workload(KERNEL)
                store.add_target(TARGET)
                writer = Writer(store)
                pool = LeasePool(writer.keep)
                found = Scene(pool, lambda: list(store.measurements()))
                pool.begin("tunes/1", KERNEL, TARGET.hash, POLICY, found.delivered.append)
                pool.want("tunes/1", schedules(3), VERSIONS)
                await asyncio.wait_for(scene(found), PATIENCE_S)
                pool.close()
                await writer.close()

        asyncio.run(inside())

    return run


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_each_candidate_goes_to_one_client(play: Play) -> None:
    async def scene(it: Scene) -> None:
        first, second, third = await it.take(2), await it.take(2), await it.take(2)
        assert [len(first), len(second), len(third)] == [2, 1, 0]
        found = {one.schedule.text for one in (*first, *second)}
        assert found == {one.text for one in schedules(3)}
        assert {one.lease for one in first}.isdisjoint({one.lease for one in second})
        assert first[0].workload_text == KERNEL.text
        assert first[0].workload == KERNEL.hash
        assert policy_from(first[0].policy) == POLICY
        assert first[0].tune == "tunes/1"

    play(scene)


def test_only_for_the_target_that_is_asked_for(play: Play) -> None:
    async def scene(it: Scene) -> None:
        assert await it.take(3, target=replace(TARGET, cpu="another")) == []
        assert len(await it.take(3)) == 3

    play(scene)


def test_what_is_handed_in_is_delivered_and_stored(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        made = measured(candidate)
        assert await it.pool.complete(candidate.lease, made)
        assert it.delivered == [made]
        assert it.stored() == [made]

    play(scene)


def test_handing_in_twice_is_the_same_as_once(play: Play) -> None:
    """A client whose answer was lost asks again, and is told the same."""

    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        made = measured(candidate)
        assert await it.pool.complete(candidate.lease, made)
        assert await it.pool.complete(candidate.lease, made)
        assert it.delivered == [made]
        assert not await it.pool.complete(candidate.lease, measured(candidate))
        assert len(it.delivered) == 1
        assert len(it.stored()) == 2

    play(scene)


def test_an_expired_candidate_goes_to_the_next_and_the_late_one_is_kept(play: Play) -> None:
    async def scene(it: Scene) -> None:
        late = await it.take(3, term_s=0.01)
        again = list(await it.take(1, wait_s=PATIENCE_S))
        text = again[0].schedule.text
        first = next(one for one in late if one.schedule.text == text)
        assert first.lease != again[0].lease
        assert await it.pool.complete(again[0].lease, measured(again[0]))
        assert not await it.pool.complete(first.lease, measured(first))
        assert len(it.delivered) == 1
        assert len(it.stored()) == 2

    play(scene)


def test_a_late_one_is_wanted_while_nobody_was_faster(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (late,) = await it.take(1, term_s=0.01)
        (again,) = [
            one
            for one in [*await it.take(2), *await it.take(1, wait_s=PATIENCE_S)]
            if one.schedule == late.schedule
        ]
        made = measured(late)
        assert await it.pool.complete(late.lease, made)
        assert it.delivered == [made]
        assert not await it.pool.complete(again.lease, measured(again))

    play(scene)


def test_what_is_given_back_is_taken_by_who_waits(play: Play) -> None:
    async def scene(it: Scene) -> None:
        held = await it.take(3)
        waiting = asyncio.create_task(it.take(1, wait_s=PATIENCE_S))
        await asyncio.sleep(0)
        assert await it.pool.complete(held[1].lease, None)
        (found,) = await waiting
        assert found.schedule == held[1].schedule
        assert not await it.pool.complete(held[1].lease, None)  # it is another's by now

    play(scene)


@pytest.mark.parametrize("how", ["given back", "expired"])
def test_after_three_leases_a_candidate_has_failed(play: Play, how: str) -> None:
    async def scene(it: Scene) -> None:
        await it.take(2)
        for _ in range(3):
            assert it.delivered == []
            term = 0.01 if how == "expired" else 3600.0
            (candidate,) = await it.take(1, wait_s=PATIENCE_S, term_s=term)
            if how == "given back":
                assert await it.pool.complete(candidate.lease, None)
        await until(lambda: bool(it.delivered))
        (failure,) = it.delivered
        assert failure.outcome is Outcome.CRASH
        assert failure.schedule == schedule_from(candidate.schedule)
        assert failure.extra == {UNMEASURED: True}
        assert "no client measured it" in failure.error
        assert it.stored() == []
        assert await it.take(1) == []

    play(scene)


def test_another_candidates_measurement_is_refused_by_field(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        wrong = {
            "measurement.workload": {"workload": "0" * 64},
            "measurement.target": {"target": "0" * 64},
            "measurement.schedule": {"schedule": Schedule("tvm", '{"tile":9}')},
            "measurement.policy": {"policy": replace(POLICY, warmup=9)},
            "measurement.environment.versions": {"environment": Environment({}, {})},
        }
        for name, changes in wrong.items():
            with pytest.raises(FieldError) as caught:
                await it.pool.complete(candidate.lease, measured(candidate, **changes))
            assert caught.value.field == name
        assert it.stored() == []
        made = measured(candidate)  # the lease is held still
        assert await it.pool.complete(candidate.lease, made)
        assert it.delivered == [made]

    play(scene)


def test_a_lease_of_an_earlier_server(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        made = measured(candidate)
        assert not await it.pool.complete("0" * 32, made)
        assert it.stored() == [made]
        assert not await it.pool.complete("0" * 32, None)
        with pytest.raises(StoreError):
            await it.pool.complete("0" * 32, measured(candidate, workload="0" * 64))

    play(scene)


def test_who_waits_gets_what_a_run_asks_for_later(play: Play) -> None:
    async def scene(it: Scene) -> None:
        await it.take(3)
        waiting = asyncio.create_task(it.take(4, wait_s=PATIENCE_S))
        await asyncio.sleep(0)
        it.pool.want("tunes/1", schedules(5)[3:], VERSIONS)
        assert len(await waiting) == 2

    play(scene)


def test_what_a_run_asks_for_takes_the_place_of_what_it_asked_for(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        it.pool.want("tunes/1", [], VERSIONS)
        assert await it.take(3) == []
        assert not await it.pool.complete(candidate.lease, measured(candidate))
        assert it.delivered == []
        assert len(it.stored()) == 1

    play(scene)


def test_the_end_of_a_run_and_of_the_server(play: Play) -> None:
    async def scene(it: Scene) -> None:
        (candidate,) = await it.take()
        it.pool.end("tunes/1")
        it.pool.end("tunes/1")
        assert await it.take(3) == []
        assert not await it.pool.complete(candidate.lease, measured(candidate))
        waiting = asyncio.create_task(it.take(1, wait_s=PATIENCE_S))
        await asyncio.sleep(0)
        it.pool.close()
        assert await waiting == []
        assert not await it.pool.complete(candidate.lease, measured(candidate))
        assert len(it.stored()) == 2

    play(scene)


def test_a_client_that_stops_waiting_takes_nothing_along(play: Play) -> None:
    async def scene(it: Scene) -> None:
        held = await it.take(3)
        waiting = asyncio.create_task(it.take(1, wait_s=PATIENCE_S))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await it.pool.complete(held[0].lease, None)
        assert len(await it.take(3)) == 1

    play(scene)
