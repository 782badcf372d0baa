"""Data sets in memory, and how they are split."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.corpus.export import FACTS, export
from costmodel.corpus.read import Corpus, Function, read_corpus
from costmodel.corpus.splits import Rules, split
from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table, sha256, write_table
from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.records import Environment, Measurement, Outcome, Schedule, TimingPolicy, Workload
from costmodel.store import open_store
from costmodel.target import host_target

COPY = """
func.func @copy(%a: tensor<{n}x4xf32>) -> tensor<4x{n}xf32> {{
  %e = tensor.empty() : tensor<4x{n}xf32>
  %t = linalg.transpose ins(%a : tensor<{n}x4xf32>) outs(%e : tensor<4x{n}xf32>)
      permutation = [1, 0]
  return %t : tensor<4x{n}xf32>
}}
"""


def measurement(workload: Workload, number: int, outcome: Outcome) -> Measurement:
    facts = {"family": "transpose", "source": "generated", "origin": f"n {workload.hash}",
             "is_default": number == 0}  # fmt: skip
    return Measurement(
        id=f"{workload.hash}-{number}",
        workload=workload.hash,
        schedule=Schedule("iree", json.dumps({"n": number})),
        target=host_target(1, measure=False).hash,
        environment=Environment({"iree": "3"}, {}),
        policy=TimingPolicy(),
        outcome=outcome,
        samples_us=(3.0, 1.0, 2.0) if outcome is Outcome.OK else (),
        timestamp=float(number),
        extra={FACTS: facts},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(tmp_path / "s.sqlite") as store:
        store.add_target(host_target(1, measure=False))
        for n in (5, 6):
            workload = read_workload(COPY.format(n=n))
            store.add_workload(workload)
            store.add([measurement(workload, 0, Outcome.OK)])
            store.add([measurement(workload, 1, Outcome.CRASH)])
        export(store, tmp_path / "set", command="test")
    return tmp_path / "set"


def test_what_was_exported_is_read(folder: Path) -> None:
    corpus = read_corpus(folder)
    assert {f.workload.hash for f in corpus.functions.values()} == set(corpus.functions)
    assert [trial.ok for trial in corpus.trials].count(True) == 2
    good = next(trial for trial in corpus.trials if trial.ok)
    assert good.latency_us == 1.5  # the lower quartile of 1, 2 and 3
    assert good.is_default
    assert math.isnan(good.vector_registers)
    assert next(t for t in corpus.trials if not t.ok).latency_us == math.inf
    assert set(corpus.targets) == {host_target(1, measure=False).hash}


def test_a_folder_without_measurements_is_refused(folder: Path) -> None:
    (folder / "measurements-000.parquet").unlink()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["files"]["measurements-000.parquet"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UsageError, match="empty data set"):
        read_corpus(folder)


def test_a_target_that_nobody_describes_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["targets"] = {}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UsageError, match="does not describe target"):
        read_corpus(folder)


def rewrite(folder: Path, name: str, rows: list[dict], schema: pa.Schema) -> None:
    """Write a table anew, and its checksum into the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    write_table(folder / name, schema, rows)
    manifest["files"][name] = {"sha256": sha256(folder / name)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_function_that_comes_twice_is_refused(folder: Path) -> None:
    rows = read_table(folder / "workloads.parquet", WORKLOADS).to_pylist()
    rewrite(folder, "workloads.parquet", [*rows, rows[0]], WORKLOADS)
    with pytest.raises(UsageError, match="has a function twice"):
        read_corpus(folder)


def test_values_that_are_missing_are_refused_with_their_column(folder: Path) -> None:
    rows = read_table(folder / "workloads.parquet", WORKLOADS).to_pylist()
    loose = pa.schema([field.with_nullable(True) for field in WORKLOADS])
    rewrite(folder, "workloads.parquet", [{**rows[0], "family": None}, rows[1]], loose)
    with pytest.raises(UsageError, match="family"):
        read_corpus(folder)


def test_a_sample_that_is_missing_counts_for_nothing(folder: Path) -> None:
    rows = read_table(folder / "measurements-000.parquet", MEASUREMENTS).to_pylist()
    for row in rows:
        row["samples_us"] = [*row["samples_us"], None] if row["outcome"] == "ok" else []
    rewrite(folder, "measurements-000.parquet", rows, MEASUREMENTS)
    assert [t.latency_us for t in read_corpus(folder).trials if t.ok] == [1.5, 1.5]


families = st.sampled_from(["a", "b", "c", "d"])
sources = st.sampled_from(["generated", "exported", "kernels"])


def as_functions(drawn: dict[tuple[int, str], tuple[str, str]]) -> dict[str, Function]:
    made = {}
    for (size, dtype), (family, source) in drawn.items():
        workload = read_workload(COPY.format(n=size).replace("f32", dtype))
        made[workload.hash] = Function(workload, family, source, "here", 0.0, 0)
    return made


keys = st.tuples(st.integers(1, 60), st.sampled_from(["f32", "f16"]))


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(keys, st.tuples(families, sources), min_size=20, max_size=40))
def test_no_function_is_in_two_parts_and_none_is_lost(drawn: dict) -> None:
    functions = as_functions(drawn)
    rules = Rules(test=("a",), validation=("b",), shapes=0.3)
    assume({family for family, source in drawn.values() if source != "kernels"} >= {"a", "b"})
    try:
        parts = split(Corpus(functions, (), {}), rules)
    except UsageError:
        assume(False)
    names = list(parts.__dataclass_fields__)
    assert sum(len(getattr(parts, name)) for name in names) == len(functions)
    assert set().union(*(getattr(parts, name) for name in names)) == set(functions)
    learned = parts.train | parts.validation
    assert not any(learned & keys for keys in parts.tests.values())
    shapes = {
        functions[key].workload.text.replace("f16", "f32") for key in parts.shapes | parts.kernels
    }
    for key in parts.train:
        assert functions[key].workload.text.replace("f16", "f32") not in shapes
        assert functions[key].family not in ("a", "b")
        assert functions[key].source != "kernels"
    assert split(Corpus(dict(reversed(functions.items())), (), {}), rules) == parts
