"""A worker measures for the pool of a server: real kernels, compilers and worker processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from costmodel.backends.registry import load
from costmodel.errors import CostModelError, StoreFullError, StoreLockedError
from costmodel.ir import read_text
from costmodel.oracle import Client
from costmodel.oracle.access import Scope
from costmodel.oracle.clients import add_client, client_text
from costmodel.oracle.convert import policy_from, schedule_from
from costmodel.oracle.leases import LeasePool
from costmodel.oracle.replies import TuneState
from costmodel.oracle.status import UnreachableError
from costmodel.oracle.worker import Worker
from costmodel.oracle.writer import Writer
from costmodel.records import Measurement, Schedule, Target, TimingPolicy, Workload
from costmodel.store import open_store
from costmodel.store.lines import read_lines
from costmodel.target import host_target
from tests.oracle.running import KERNEL, own_target
from tests.store import builders


@dataclass(frozen=True)
class Lent:
    lease: str
    workload_text: str
    workload: str
    schedule: Schedule
    policy: TimingPolicy


@dataclass
class Oracle:
    """A pool in a thread of its own, and the client's side of it without a network between.

    After ``answers`` calls to ``complete`` it does not answer any more.
    """

    loop: asyncio.AbstractEventLoop
    pool: LeasePool
    target: Target
    stored: Callable[[], list[Measurement]]
    delivered: list[Measurement] = field(default_factory=list)
    answers: int = 1000
    returned: list[str] = field(default_factory=list)

    def register_target(self, target: Target) -> str:
        return target.hash

    def lease(
        self, target: str, *, count: int = 1, wait_s: float = 0.0, term_s: float | None = None
    ) -> list[Lent]:
        found: Any = self._call(self.pool.lease(target, count, wait_s, term_s or 0.0))
        return [
            Lent(one.lease, one.workload_text, one.workload, schedule_from(one.schedule),
                 policy_from(one.policy))
            for one in found
        ]  # fmt: skip

    def complete(self, lease: str, measurement: Measurement | None) -> bool:
        self.answers -= 1
        if self.answers < 0:
            raise UnreachableError("the oracle does not answer")
        if measurement is None:
            self.returned.append(lease)
        done: bool = self._call(self.pool.complete(lease, measurement))
        return done

    def wants(self, workload: Workload, schedules: list[Schedule]) -> None:
        versions = {part.name: part.versions() for part in load("auto").parts}

        async def want() -> None:
            policy = TimingPolicy()
            self.pool.begin("tunes/1", workload, self.target.hash, policy, self.delivered.append)
            self.pool.want("tunes/1", schedules, versions)

        self._call(want())

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(240)


@pytest.fixture
def kernel() -> Workload:
    return read_text(KERNEL)


@pytest.fixture
def oracle(tmp_path: Path, kernel: Workload) -> Iterator[Oracle]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    target = own_target()
    try:
        with open_store(tmp_path / "store.sqlite") as store:
            store.add_workload(kernel)
            store.add_target(target)
            writer = Writer(store)
            yield Oracle(loop, LeasePool(writer.keep), target, lambda: list(store.measurements()))
            asyncio.run_coroutine_threadsafe(writer.close(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def interrupt_after(count: int) -> Callable[[Measurement], None]:
    """As if somebody pressed Ctrl-C when so many have been measured."""
    seen: list[Measurement] = []

    def tell(measurement: Measurement) -> None:
        seen.append(measurement)
        if len(seen) == count:
            raise KeyboardInterrupt

    return tell


def test_what_is_measured_is_handed_in_or_put_into_a_file(
    oracle: Oracle, kernel: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle goes away after the first measurement, the worker after the second."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    space = load("iree").space(kernel, oracle.target)
    schedules = [space.default(), *[g for g in space.guesses() if g != space.default()][:2]]
    assert len(schedules) == 3
    oracle.wants(kernel, schedules)
    oracle.answers = 1
    before = set(psutil.Process().children(recursive=True))
    worker = Worker(oracle, oracle.target, told=interrupt_after(2))
    with pytest.raises(CostModelError, match="1 measurements could not be handed in") as caught:
        worker.run()
    assert worker.measured == 2
    (first,) = oracle.delivered
    assert first.ok, first.error
    assert first.max_error is not None  # its result was compared with a reference
    assert [one.id for one in oracle.stored()] == [first.id]
    (file,) = tmp_path.glob("costmodel-rescue-*.jsonl")
    assert f"costmodel cache import {file}" in str(caught.value)
    with open_store(tmp_path / "other.sqlite") as other, file.open() as lines:
        assert other.ingest(read_lines(lines, str(file)))["measurements"] == 1
        (second,) = other.measurements()
    assert {first.schedule, second.schedule} < set(schedules)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_ctrl_c_gives_back_what_is_held(oracle: Oracle, kernel: Workload) -> None:
    space = load("iree").space(kernel, oracle.target)
    oracle.wants(kernel, [space.default()])

    @dataclass(frozen=True)
    class Pressing(Lent):
        """Whoever reads its kernel is interrupted there."""

        def __getattribute__(self, name: str) -> Any:
            if name == "workload_text":
                raise KeyboardInterrupt
            return super().__getattribute__(name)

    class Lending(Oracle):
        def lease(self, target: str, **options: Any) -> list[Lent]:
            held.extend(super().lease(target, **options))
            return [Pressing(one.lease, "", one.workload, one.schedule, one.policy) for one in held]

    held: list[Lent] = []
    client = Lending(oracle.loop, oracle.pool, oracle.target, oracle.stored)
    Worker(client, oracle.target).run()
    assert client.returned == [held[0].lease]
    (again,) = oracle.lease(oracle.target.hash)
    assert again.schedule == space.default()


def test_a_kernel_that_cannot_be_measured_is_given_back(oracle: Oracle, kernel: Workload) -> None:
    """After three leases it has failed, and the run goes on."""
    broken = replace(kernel, text="module { this is no kernel }")
    oracle.wants(broken, [Schedule("iree", "{}")])

    class Watched(Oracle):
        def lease(self, target: str, **options: Any) -> list[Lent]:
            if oracle.delivered:
                raise KeyboardInterrupt
            return super().lease(target, **options)

    client = Watched(oracle.loop, oracle.pool, oracle.target, oracle.stored)
    Worker(client, oracle.target).run()
    assert len(client.returned) == 3
    (failure,) = oracle.delivered
    assert not failure.ok
    assert oracle.stored() == []


def test_what_the_oracle_refuses_ends_the_worker(oracle: Oracle) -> None:
    from costmodel.oracle.status import RefusedError

    class Refusing(Oracle):
        def register_target(self, target: Target) -> str:
            raise RefusedError("this token may not record")

    client = Refusing(oracle.loop, oracle.pool, oracle.target, oracle.stored)
    with pytest.raises(RefusedError, match="may not record"):
        Worker(client, oracle.target).run()


def test_a_worker_says_that_it_measures_once_it_may(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    clients = tmp_path / "clients.toml"
    add_client(clients, client_text("ann", "secret", (Scope.READ,), None))
    server = serve("--clients", clients)
    done = subprocess.run(
        [sys.executable, "-m", "costmodel.cli", "worker", "--oracle", server.address],
        env={**os.environ, "COSTMODEL_ORACLE_TOKEN": "secret"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ann may not call RegisterTarget")


def test_a_store_that_is_held_or_full_is_waited_for(
    oracle: Oracle, kernel: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("costmodel.oracle.worker._RETRY_S", 0.01)
    troubles: list[BaseException] = [
        StoreLockedError("somebody holds it"), StoreFullError("no room"), StoreFullError("no room"),
        StoreLockedError("somebody holds it"),
    ]  # fmt: skip
    handed_in = []

    class Troubled(Oracle):
        def lease(self, target: str, **options: Any) -> list[Lent]:
            raise troubles.pop(0) if troubles else KeyboardInterrupt

        def complete(self, lease: str, measurement: Measurement | None) -> bool:
            if troubles:
                raise troubles.pop(0)
            handed_in.append(lease)
            return True

    client = Troubled(oracle.loop, oracle.pool, oracle.target, oracle.stored)
    worker = Worker(client, oracle.target)
    worker._made["lent"] = kernel, builders.measurement()
    worker.run()
    assert handed_in == ["lent"]


def test_the_command_measures_for_a_server(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve("--allow-tuning")
    command = [sys.executable, "-m", "costmodel.cli", "worker", "--threads", "1", "--json"]
    with (
        (tmp_path / "worker.log").open("w+") as log,
        Client(server.address) as client,
        subprocess.Popen(
            [*command, "--oracle", server.address], stdout=subprocess.PIPE, stderr=log, text=True
        ) as worker,
    ):
        try:
            # For one thread, which the server does not tune for by itself.
            target = replace(host_target(1, measure=False), peak_flops={"f32": 1e11})
            run = client.start_tune(KERNEL, trials=2, backend="iree", target=target, leased=True)
            *_, last = client.watch_tune(run.name)
            worker.send_signal(signal.SIGINT)
            said, _ = worker.communicate(timeout=240)
            log.seek(0)
            errors = log.read()
        finally:
            worker.kill()
        assert worker.returncode == 0, errors
        assert json.loads(said)["measured"] == 2
        assert errors.count(" us\n") == 2, errors
        assert errors.startswith(f"measuring for {server.address} on ")
        assert last.end is not None
        assert last.end.state is TuneState.DONE, last.end
        assert last.end.leased
        assert len(list(client.measurements(KERNEL, target=target))) == 2
