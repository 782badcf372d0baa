"""Data sets as files: what is written comes back, and bad files are refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from costmodel.corpus.export import FACTS, export, measured_ids, shards
from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table, sha256, write_table
from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.records import Environment, Measurement, Outcome, Schedule, TimingPolicy
from costmodel.store import open_store
from costmodel.target import host_target

ADD = """
#id = affine_map<(i) -> (i)>
func.func @add(%a: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<8xf32> {
  %e = tensor.empty() : tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%a, %b : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8xf32>) {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %t = arith.addf %x, %y : f32
      linalg.yield %t : f32
  } -> tensor<8xf32>
  return %s : tensor<8xf32>
}
"""


def measurement(number: int, outcome: Outcome = Outcome.OK, *, marked: bool = True) -> Measurement:
    facts = {"family": "elementwise", "source": "generated", "origin": "one", "is_default": True}
    code = {"code_bytes": 10, "instructions": 3, "vector_instructions": 1,
            "vector_registers": 2, "spills": 0, "reloads": 0}  # fmt: skip
    return Measurement(
        id=f"id{number}",
        workload=read_workload(ADD).hash,
        schedule=Schedule("iree", json.dumps({"n": number})),
        target=host_target(1, measure=False).hash,
        environment=Environment({"iree": "3"}, {"cpu": "x"}),
        policy=TimingPolicy(),
        outcome=outcome,
        samples_us=(1.5, 2.5) if outcome is Outcome.OK else (),
        timestamp=float(number),
        extra={FACTS: facts, "code": code} if marked else {},
    )


def test_a_store_is_exported_shard_by_shard_and_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with open_store(tmp_path / "s.sqlite") as store:
        store.add_workload(read_workload(ADD))
        store.add_target(host_target(1, measure=False))
        store.add([measurement(0), measurement(1, Outcome.BUILD_ERROR)])
        assert export(store, folder, command="test") == 2
        assert export(store, folder, command="test") == 0
        store.add([measurement(2), measurement(3, marked=False)])
        assert export(store, folder, command="again") == 1
    assert measured_ids(folder) == {"id0", "id1", "id2"}
    rows = {row["id"]: row for row in read_table(shards(folder), MEASUREMENTS).to_pylist()}
    assert rows["id0"]["samples_us"] == [1.5, 2.5]
    assert rows["id1"]["outcome"] == "build_error"
    assert rows["id2"]["vector_registers"] == 2
    (workload,) = read_table(folder / "workloads.parquet", WORKLOADS).to_pylist()
    assert read_workload(workload["text"]).hash == workload["workload"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        path.name: sha256(path) for path in folder.glob("*.parquet")
    }
    assert manifest["targets"].keys() == {row["target"] for row in rows.values()}
    assert manifest["environments"].keys() == {row["environment"] for row in rows.values()}
    assert manifest["policies"].keys() == {row["policy"] for row in rows.values()}


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_table(tmp_path / "absent.parquet", WORKLOADS)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 but not really")
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(broken, WORKLOADS)
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"workload": ["a"]}), other)
    with pytest.raises(UsageError, match="no column 'text'"):
        read_table(other, WORKLOADS)
    wrong = tmp_path / "wrong.parquet"
    pq.write_table(pa.table({"id": pa.array([[1]])}), wrong)
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(wrong, MEASUREMENTS, ["id"])


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "workloads.parquet"
    row = {"workload": "a", "text": "t", "name": "n", "family": "f", "source": "s", "origin": "o",
           "flops": 1.0, "bytes": 2}  # fmt: skip
    write_table(path, WORKLOADS, [row] * 100)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(path, WORKLOADS)
