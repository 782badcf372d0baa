"""Load on a server of this machine: latencies, throughput, a long mixed run. On loopback only.

``python service/loadtest.py`` starts ``costmodel serve`` on a store of its own, with client and
server on the same cores, and prints the table of the README. ``--minutes 0.2`` is a small version,
which the tests run; ``--json FILE`` writes the figures.

Latencies are the client's, from the call to the answer. Predictions are asked for when they are due
(open loop), so that a server that falls behind is not spared, after a warm-up that is not counted;
look-ups and rankings one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil

from costmodel.backends import registry
from costmodel.oracle.convert import measurement_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import OracleStub
from costmodel.records import Environment, Measurement, Outcome, Schedule, TimingPolicy

KERNELS = Path(__file__).resolve().parents[1] / "kernels"
NAMES = (
    "matmul_bias_relu", "bert_softmax", "bert_layernorm", "mobilenetv2_depthwise_nhwc",
    "llama_gated_mlp",
)  # fmt: skip
#: Schedules that the server draws at once: to draw many without one twice takes it long.
PIECE = 256
#: By how much asyncio's timer may be late, in seconds.
TIMER_S = 0.0015
#: Memory is looked at after so much of the mixed run: caches have filled by then.
SETTLED = 0.3

Call = Callable[[], Awaitable[Any]]


@dataclass
class Timed:
    """Latencies of one kind of call, in milliseconds, and what failed."""

    ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "calls": len(self.ms),
            "p50_ms": round(self.quantile(0.5), 3),
            "p99_ms": round(self.quantile(0.99), 3),
            "max_ms": round(max(self.ms, default=0.0), 3),
            "failed": dict(self.failed),
        }


async def timed(into: Timed, call: Call, *, due: float | None = None) -> None:
    """Make a call; its latency counts from when it was due."""
    started = time.perf_counter() if due is None else due
    try:
        await call()
    except grpc.aio.AioRpcError as error:
        into.failed[f"{error.code().name}: {error.details()}"] += 1
    else:
        into.ms.append(1e3 * (time.perf_counter() - started))


async def at_rate(call: Call, *, rate: float, seconds: float) -> Timed:
    """So many calls a second, each when it is due, whatever became of those before."""
    found, tasks = Timed(), []
    begin = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await until(due)
        tasks.append(asyncio.create_task(timed(found, call, due=due)))
    await asyncio.gather(*tasks)
    return found


async def until(due: float) -> None:
    """Wait, to the microsecond: asyncio's timer is late by up to a millisecond and more."""
    await asyncio.sleep(max(0.0, due - time.perf_counter() - TIMER_S))
    while time.perf_counter() < due:
        await asyncio.sleep(0)


async def in_turn(call: Call, *, seconds: float) -> Timed:
    """One call after the other."""
    found, end = Timed(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        await timed(found, call)
    return found


class Load:
    """The calls, with kernels, schedules and measurements to ask about."""

    def __init__(self, stub: OracleStub, texts: Sequence[str]) -> None:
        self.stub, self.workloads = stub, [pb.Workload(mlir=text) for text in texts]
        self.random = random.Random(0)
        self.drawn: list[list[pb.Schedule]] = []
        self.target = ""
        self.hashes: list[str] = []
        #: By backend, the versions that are installed: what they made counts in every answer.
        self.made = {
            part.name: Environment(dict(part.versions()), {})
            for part in registry.load("auto").parts
        }

    async def prepare(self, schedules: int) -> None:
        """Draw many schedules of each kernel, and record a measurement of some."""
        for workload in self.workloads:
            found: dict[str, pb.Schedule] = {}
            for seed in range(math.ceil(schedules / PIECE)):
                drawn = await self.stub.Rank(
                    pb.RankRequest(workload=workload, count=min(PIECE, schedules), seed=seed),
                    timeout=600,
                )
                found |= {one.schedule_hash: one.schedule for one in drawn.schedules}
            self.target = drawn.target_hash
            self.hashes.append(drawn.workload)
            self.drawn.append([*found.values()])
        await self.stub.Record(pb.RecordRequest(workloads=self.workloads))
        for number in range(len(self.workloads)):
            await self.stub.Record(
                pb.RecordRequest(measurements=[self._measurement(number) for _ in range(20)])
            )

    def _measurement(self, number: int) -> pb.Measurement:
        given = self.random.choice(self.drawn[number])
        return measurement_to(
            Measurement(
                id=str(uuid.uuid4()),
                workload=self.hashes[number],
                schedule=Schedule(given.backend, given.text),
                target=self.target,
                environment=self.made[given.backend],
                policy=TimingPolicy(),
                outcome=Outcome.OK,
                samples_us=tuple(self.random.uniform(50, 100) for _ in range(10)),
                timestamp=time.time(),
            )
        )

    def _any(self) -> int:
        return self.random.randrange(len(self.workloads))

    async def predict(self) -> None:
        await self.stub.Predict(pb.PredictRequest(workload=self.workloads[self._any()]))

    async def lookup(self) -> None:
        found = await self.stub.Lookup(
            pb.LookupRequest(workload=pb.Workload(hash=self.hashes[self._any()]))
        )
        assert found.best.outcome == pb.OUTCOME_OK

    async def record(self) -> None:
        await self.stub.Record(pb.RecordRequest(measurements=[self._measurement(self._any())]))

    async def rank(self, count: int = 256) -> None:
        """Schedules that were not scored before, as far as there are such."""
        number = self._any()
        many = self.drawn[number]
        chosen = [
            pb.Schedule(backend=one.backend, text=_never_seen(one.text))
            for one in self.random.sample(many, min(count, len(many)))
        ]
        await self.stub.Rank(
            pb.RankRequest(workload=self.workloads[number], schedules=chosen, top=10)
        )

    async def malformed(self) -> None:
        """An error that was asked for: anything but INVALID_ARGUMENT is a failure."""
        try:
            await self.stub.Predict(pb.PredictRequest(workload=pb.Workload(mlir="func.func @f(")))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise


def _never_seen(text: str) -> str:
    """The same schedule in another text, which no cache of scores knows."""
    return text + " " * random.randrange(1, 1 << 12)


async def throughput(load: Load, *, schedules: int, seconds: float, clients: int) -> float:
    """Schedules scored a second, by so many clients that ask for rankings one after the other."""
    begin, done = time.perf_counter(), 0

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            await load.rank(schedules)
            done += schedules

    await asyncio.gather(*(ask() for _ in range(clients)))
    return done / (time.perf_counter() - begin)


async def mixed(load: Load, server: int, *, clients: int, seconds: float) -> dict[str, Any]:
    """Clients that ask for all kinds of things, each with pauses; and the server's memory."""
    kinds: list[tuple[Call, int]] = [
        (load.predict, 50), (load.lookup, 25), (load.record, 15), (lambda: load.rank(16), 8),
        (load.malformed, 2),
    ]  # fmt: skip
    calls, weights = zip(*kinds, strict=True)
    found, end, begin = Timed(), time.perf_counter() + seconds, time.perf_counter()
    memory: list[tuple[float, int]] = []

    async def client() -> None:
        while time.perf_counter() < end:
            (call,) = load.random.choices(calls, weights)
            await timed(found, call)
            await asyncio.sleep(load.random.expovariate(4.0))

    async def watch() -> None:
        while time.perf_counter() < end:
            memory.append((time.perf_counter() - begin, resident(server)))
            await asyncio.sleep(max(0.1, min(5.0, seconds / 20)))

    await asyncio.gather(watch(), *(client() for _ in range(clients)))
    settled = [size for at, size in memory if at >= SETTLED * seconds]
    third = max(1, len(settled) // 3)
    growth = statistics.median(settled[-third:]) / statistics.median(settled[:third])
    return found.to_json() | {"memory_growth": round(growth, 4),
                              "memory_mib": round(settled[-1] / (1 << 20))}  # fmt: skip


def resident(server: int) -> int:
    """Bytes of memory of the server and of its processes, shared pages counted once."""
    process, size = psutil.Process(server), 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a compiler that has just ended
            size += one.memory_full_info().pss
    return size


async def run(address: str, server: int, minutes: float, clients: int) -> dict[str, Any]:
    """All figures, one after the other."""
    seconds = max(1.0, min(30.0, 60 * minutes))
    names = NAMES if minutes >= 1 else NAMES[:1]
    texts = [(KERNELS / f"{name}.mlir").read_text() for name in names]
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        load = Load(OracleStub(channel), texts)
        await load.prepare(2048 if minutes >= 1 else 300)
        many = min(map(len, load.drawn))
        await at_rate(load.predict, rate=100, seconds=min(2.0, seconds))  # the warm-up
        found: dict[str, Any] = {
            "predict": (await at_rate(load.predict, rate=200, seconds=seconds)).to_json(),
            "lookup": (await in_turn(load.lookup, seconds=seconds / 3)).to_json(),
            "rank_256": (await in_turn(load.rank, seconds=seconds)).to_json(),
            "scores_per_s_256": round(
                await throughput(load, schedules=256, seconds=seconds, clients=4)
            ),
            "scores_per_s_many": round(
                await throughput(load, schedules=many, seconds=seconds, clients=4)
            ),
            "many": many,
        }
        found["mixed"] = await mixed(load, server, clients=clients, seconds=60 * minutes)
        found["mixed"] |= {"clients": clients, "minutes": minutes}
    return found


_OPTIONS = [("grpc.max_send_message_length", 64 << 20),
            ("grpc.max_receive_message_length", 64 << 20)]  # fmt: skip


def main() -> None:
    """Start a server, load it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of the mixed run")
    parser.add_argument("--clients", type=int, default=50, help="of the mixed run")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="that score")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="costmodel-load-") as folder:
        command = [
            sys.executable, "-m", "costmodel.cli", "serve", "--json", "--listen", "127.0.0.1:0",
            "--log-level", "warning", "--store", f"{folder}/store.sqlite",
            "--processes", str(given.processes),
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                line = server.stdout.readline()
                if not line:
                    sys.exit("error: the server did not start")
                address = json.loads(line)["address"]
                found = asyncio.run(run(address, server.pid, given.minutes, given.clients))
            finally:
                server.terminate()
        if server.returncode != 0:
            sys.exit(f"error: the server ended with status {server.returncode}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


def table(found: dict[str, Any]) -> str:
    """The figures as the README has them."""
    mixed_run = found["mixed"]
    failed = sum(mixed_run["failed"].values())
    rows = [
        ("`Predict` of a known kernel, 200 calls a second", _ms(found["predict"]),
         "p50 < 2 ms, p99 < 20 ms"),
        ("`Lookup`, one after the other", _ms(found["lookup"]), "p50 < 1 ms"),
        ("`Rank` of 256 schedules, one after the other", _ms(found["rank_256"]), "p50 < 200 ms"),
        ("schedules scored, 256 a call, 4 clients", f"{found['scores_per_s_256']:,} a second", ""),
        (f"schedules scored, {found['many']:,} a call, 4 clients",
         f"{found['scores_per_s_many']:,} a second", "5,000 a second"),
        (f"{mixed_run['minutes']:g} minutes of mixed calls by {mixed_run['clients']} clients",
         f"{mixed_run['calls']:,} calls, {failed} failed", "none failed"),
        ("memory at the end of that over its beginning", f"{mixed_run['memory_growth']:.2f}",
         "within 5%"),
    ]  # fmt: skip
    lines = ["| what | figure | goal |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {what} | {figure} | {goal} |" for what, figure, goal in rows)])


def _ms(found: dict[str, Any]) -> str:
    failed = sum(found["failed"].values())
    more = f", {failed} FAILED" if failed else ""
    return f"p50 {found['p50_ms']:.2f} ms, p99 {found['p99_ms']:.2f} ms{more}"


if __name__ == "__main__":
    main()
