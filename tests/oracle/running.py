"""Runs over a store of their own, for tests: the real processes, compilers and databases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from costmodel.ir import locate_text
from costmodel.oracle.access import Principal, Scope
from costmodel.oracle.limits import RunLimits, RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.runs import Runs
from costmodel.oracle.writer import Writer
from costmodel.records import Measurement, Target
from costmodel.store import open_store
from costmodel.target import host_target

#: Who starts runs here.
TESTER = Principal("tester", frozenset({Scope.TUNE}))
#: No run begins.
NOTHING = RunLimits(concurrent=0, leased=0)
#: Far longer than anything here takes, on a machine that is very busy.
PATIENCE_S = 240.0

KERNEL = """func.func @add(%x: tensor<16x16xf32>, %y: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %sum = arith.addf %x, %y : tensor<16x16xf32>
  return %sum : tensor<16x16xf32>
}
"""


def own_target() -> Target:
    """This machine by rates that nobody measured: they take no part in what is tested."""
    target = host_target(1, measure=False)
    return replace(target, peak_flops={"f32": 1e11}, bandwidth=1e10)


def spec(target: Target, mlir: str = KERNEL, **changes: Any) -> RunSpec:
    """A request as the servicer makes it."""
    values: dict[str, Any] = {
        "source": {"mlir": mlir, "function": "", "file": "add.mlir"},
        "workload": locate_text(mlir)[0], "target": target, "backend": "iree", "trials": 2,
        "seconds": None, "seed": 0, "request_id": uuid.uuid4().hex, "leased": False,
    }  # fmt: skip
    return RunSpec(**(values | changes))


@dataclass
class Served:
    """Runs, and what is in the server's store."""

    runs: Runs
    own: Target
    store: Path

    def stored(self) -> list[Measurement]:
        with open_store(self.store, read_only=True) as store:
            assert store.verify() == []
            return list(store.measurements())

    async def started(self, **changes: Any) -> pb.TuneOperation:
        return await self.runs.start(spec(**({"target": self.own} | changes)), TESTER.name)

    async def until(self, name: str, what: str) -> pb.TuneEvent:
        """The first event that has ``what`` ("trial", "end")."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self.runs.watch(name, 0):
                if event.HasField(what):
                    return event
        raise AssertionError(f"the run ended without {what}")

    async def ended(self, name: str) -> pb.TuneOperation:
        return (await self.until(name, "end")).end


@asynccontextmanager
async def serving(
    folder: Path, limits: RunLimits | None = None, *, wait_s: float = 30.0, **options: Any
) -> AsyncIterator[Served]:
    """Runs kept in ``folder``, until they are closed; ``wait_s`` for who holds the store."""
    own, path = own_target(), folder / "store.sqlite"
    with open_store(path, wait_s=wait_s) as store:
        store.add_target(own)
        writer = Writer(store)
        runs = Runs(folder / "runs", path, own, writer.keep, limits or RunLimits(), **options)
        try:
            await runs.open()
            yield Served(runs, own, path)
        finally:
            await runs.close()
            await writer.close()


def play(
    folder: Path, scene: Callable[[Served], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Have a scene take place over runs that are kept in ``folder``."""

    async def inside() -> None:
        async with serving(folder, **options) as it:
            await asyncio.wait_for(scene(it), PATIENCE_S)

    asyncio.run(inside())
