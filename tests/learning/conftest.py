"""A small data set: some functions of the repository's own, with what was measured of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from costmodel.corpus.export import MANIFEST, shards
from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table, sha256, write_table

DATA = Path(__file__).resolve().parents[2] / "datasets" / "cpu"
#: Families of the sample, and functions of each.
RULES = {"test": ["norm"], "validation": ["softmax", "rope"], "shapes": 0.15}
FAMILIES = ("norm", "softmax", "rope", "matmul", "elementwise", "reduction")
EACH, SCHEDULES = 10, 12


def write_sample(folder: Path, each: int = EACH) -> None:
    """Of each family the first ``each`` functions, those with schedules before the others."""
    table = read_table(shards(DATA), MEASUREMENTS)
    numbers = Counter(table["workload"].to_pylist())
    by_family = defaultdict(list)
    for row in read_table(DATA / "workloads.parquet", WORKLOADS).to_pylist():
        if row["family"] in FAMILIES and row["source"] in ("generated", "exported"):
            by_family[row["family"]].append(row)
    chosen = [
        row
        for family in FAMILIES
        for row in sorted(by_family[family], key=lambda r: -numbers[r["workload"]])[:each]
    ]
    measured = defaultdict(list)
    kept_hashes = pa.array([row["workload"] for row in chosen])
    for row in table.filter(pc.is_in(table["workload"], kept_hashes)).to_pylist():
        measured[row["workload"]].append(row)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "workloads.parquet", WORKLOADS, chosen)
    kept = [row for one in chosen for row in _some(measured[one["workload"]])]
    write_table(folder / "measurements-000.parquet", MEASUREMENTS, kept)
    manifest = json.loads((DATA / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = {
        name: {"sha256": sha256(folder / name)}
        for name in ("workloads.parquet", "measurements-000.parquet")
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "splits.json").write_text(json.dumps(RULES), encoding="utf-8")


def _some(rows: list[dict]) -> list[dict]:
    """The defaults, and of the others the first of TVM's."""
    rows = sorted(rows, key=lambda row: (not row["is_default"], row["backend"] != "tvm"))
    return rows[:SCHEDULES]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    write_sample(folder)
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fewer functions of each family: features of their schedules take long."""
    folder = tmp_path_factory.mktemp("few") / "set"
    write_sample(folder, each=3)
    return folder


@pytest.fixture
def copy_of_sample(sample: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy that a test may damage."""

    def copy() -> Path:
        folder = tmp_path / "copy"
        folder.mkdir()
        for path in sample.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    return copy
