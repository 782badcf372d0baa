"""What the collection scripts share: where functions come from, and how results are kept."""

from __future__ import annotations

import itertools
import random
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from graphs import FAMILIES, generate
from loops import to_loops
from mixtures import mixture

from costmodel.corpus.export import FACTS
from costmodel.corpus.tables import WORKLOADS, read_table
from costmodel.errors import CostModelError, UnsupportedError
from costmodel.ir import analyze, read_workload
from costmodel.records import Workload
from costmodel.store.base import MeasurementStore

__all__ = [
    "Function",
    "exported",
    "generated",
    "looped",
    "measured_origins",
    "measured_workloads",
    "mixed",
    "of_data_set",
    "of_kernels",
    "this_command",
]

ROOT = Path(__file__).resolve().parents[1]
#: Larger functions take long to time and teach little more.
MOST_FLOPS, MOST_BYTES = 4e9, 1 << 27
#: Of loops as they stand, of which a compiler makes a hundredth of the machine's peak.
MOST_LOOP_FLOPS = 2e8


@dataclass(frozen=True)
class Function:
    """A workload and what the data set says of where it comes from."""

    workload: Workload
    family: str
    source: str
    origin: str

    def facts(self, *, is_default: bool) -> Mapping[str, object]:
        return {
            FACTS: {
                "family": self.family, "source": self.source, "origin": self.origin,
                "is_default": is_default,
            }
        }  # fmt: skip


def generated(seed: int, skip: Iterable[str] = ()) -> Iterator[Function]:
    """Endless; those whose origin is among ``skip`` are left out without being made."""
    for family, text, origin, _ in _drawn(f"{seed}", f"seed {seed}", skip):
        function = _read(text, family, "generated", origin)
        if function is not None:
            yield function


def looped(seed: int, skip: Iterable[str] = ()) -> Iterator[Function]:
    """As ``generated``, other graphs, as loops on memrefs."""
    for family, text, origin, rng in _drawn(f"loops {seed}", f"loops of seed {seed}", skip):
        loops = to_loops(text, rng)
        try:
            function = None if loops is None else _read(loops, family, "loops", origin)
        except UnsupportedError:
            continue  # loops whose trip counts nobody can tell
        if function is not None and analyze(function.workload).flops <= MOST_LOOP_FLOPS:
            yield function


def mixed(seed: int, skip: Iterable[str] = ()) -> Iterator[Function]:
    """Endless mixtures of operations; see ``mixtures.py``."""
    known = frozenset(skip)
    for index in itertools.count():
        origin = f"mixtures of seed {seed}, number {index}"
        if origin not in known:
            text = mixture(random.Random(f"mixtures {seed} {index}"), f"mixture_{index}")
            function = _read(text, "mixture", "mixtures", origin)
            if function is not None:
                yield function


def _drawn(
    seed: str, origin: str, skip: Iterable[str]
) -> Iterator[tuple[str, str, str, random.Random]]:
    """Family, text and origin of graphs, and the generator of numbers that they were drawn by."""
    names, known = list(FAMILIES), frozenset(skip)
    weights = [weight for _, weight in FAMILIES.values()]
    for index in itertools.count():
        name = f"{origin}, number {index}"
        if name not in known:
            rng = random.Random(f"{seed} {index}")
            family = rng.choices(names, weights)[0]
            yield family, generate(family, rng, f"{family}_{index}"), name, rng


def of_kernels(folder: Path = ROOT / "kernels") -> Iterator[Function]:
    """The kernels in a folder, by the operation that they spend most on."""
    for path in sorted(folder.glob("*.mlir")):
        function = _read(path, "", "kernels", path.stem)
        if function is not None:
            yield function


def of_data_set(folder: Path) -> list[Function]:
    """The functions of a data set."""
    return [
        Function(read_workload(row["text"]), row["family"], row["source"], row["origin"])
        for row in read_table(folder / "workloads.parquet", WORKLOADS).to_pylist()
    ]


def exported(folder: Path) -> Iterator[Function]:
    """The dispatches of every model in a folder of MLIR files, as IREE forms them."""
    from costmodel.whole.split import split

    for path in sorted(folder.glob("*.mlir")):
        try:
            parts = split(read_workload(path))
        except CostModelError as error:
            print(f"{path.name} is left out: {error}", file=sys.stderr)
            continue
        for part in parts:
            origin = f"{path.stem}, {part.workload.function}"
            if is_small(part.workload):
                yield Function(part.workload, family_of(part.workload), "exported", origin)


def _read(source: str | Path, family: str, kind: str, origin: str) -> Function | None:
    workload = read_workload(source)
    if not is_small(workload):
        return None
    return Function(workload, family or family_of(workload), kind, origin)


def is_small(workload: Workload) -> bool:
    """Whether it is worth its time."""
    analysis = analyze(workload)
    return analysis.flops <= MOST_FLOPS and analysis.bytes <= MOST_BYTES


def family_of(workload: Workload) -> str:
    """By the heaviest operation: that of the generator's families which it would be in."""
    ops = analyze(workload).ops
    names = {op.name.rpartition(".")[2] for op in ops}
    heaviest = max(ops, key=lambda op: op.flops, default=None)
    name = heaviest.name.rpartition(".")[2] if heaviest else ""
    reduces = heaviest is not None and any(loop.kind == "reduction" for loop in heaviest.loops)
    for part, family in (
        ("depthwise", "depthwise"), ("conv_1d", "conv1d"), ("conv", "conv2d"),
        ("pooling", "pooling"), ("softmax", "softmax"), ("attention", "attention"),
        ("batch_matmul", "batch_matmul"), ("matmul", "matmul"), ("matvec", "matvec"),
        ("vecmat", "matvec"),
    ):  # fmt: skip
        if part in name:
            return family
    if heaviest is None:
        return "transpose"
    if any(loop.kind == "reduction" for op in ops for loop in op.loops):
        return _reducing(workload.text, contracts=reduces and len(heaviest.loops) > 3)
    return "elementwise" if names != {"transpose"} else "transpose"


def _reducing(text: str, *, contracts: bool) -> str:
    """Of generic operations of which one reduces: by what they compute beside it."""
    if "math.rsqrt" in text or "math.sqrt" in text:
        return "norm"
    if "math.exp " in text and "arith.divf" in text:
        return "softmax"
    products = re.search(r"(%\w+) = arith.mul[fi] %in, %in_\w+ .*\n.*arith.add[fi] %out, \1", text)
    return "contraction" if contracts and products else "reduction"


def this_command() -> str:
    """The script that runs, with its options; data sets say how they were made."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def measured_origins(store: MeasurementStore) -> set[str]:
    """Origins of the functions that a store has measurements of."""
    return {one.extra[FACTS]["origin"] for one in store.measurements() if FACTS in one.extra}


def measured_workloads(store: MeasurementStore) -> set[str]:
    """Hashes of the functions that a store has measurements of."""
    return {one.workload for one in store.measurements() if FACTS in one.extra}
