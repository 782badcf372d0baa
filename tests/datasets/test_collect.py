"""The collection scripts as they are run, with small numbers: complete, resumable, exported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from costmodel.corpus.export import shards
from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table
from costmodel.ir import read_workload

DATASETS = Path(__file__).resolve().parents[2] / "datasets"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(DATASETS / script), "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "store.sqlite", tmp_path / "set"


def test_functions_are_collected_once_each(place: tuple[Path, Path], tmp_path: Path) -> None:
    store, out = place
    kernels, models = tmp_path / "kernels", tmp_path / "models"
    for folder, names in (
        (kernels, ("bert_gelu_erf", "bert_layernorm", "vit_softmax")), (models, ("bert_softmax",)),
    ):  # fmt: skip
        folder.mkdir()
        for name in names:
            text = (DATASETS.parent / "kernels" / f"{name}.mlir").read_text(encoding="utf-8")
            (folder / f"{name}.mlir").write_text(text, encoding="utf-8")
    arguments = ("--store", store, "--out", out, "--kernels", kernels, "--exported", models,
                 "--threads", 1, "--loops", 0, "--mixtures", 0)  # fmt: skip
    assert "5 measurements were added" in run("collect_functions.py", *arguments, "--count", 5)
    assert "3 measurements were added" in run("collect_functions.py", *arguments, "--count", 8)
    assert "0 measurements were added" in run("collect_functions.py", *arguments, "--count", 8)
    workloads = read_table(out / "workloads.parquet", WORKLOADS).to_pylist()
    rows = read_table(shards(out), MEASUREMENTS).to_pylist()
    assert len({row["workload"] for row in workloads}) == len(workloads) == len(rows) == 8
    assert {row["source"] for row in workloads} == {"kernels", "exported", "generated"}
    assert all(row["is_default"] and row["backend"] == "iree" for row in rows)
    good = [row for row in rows if row["outcome"] == "ok"]
    assert len(good) > 5
    assert all(row["instructions"] > 0 and len(row["samples_us"]) == 14 for row in good)
    assert read_workload(workloads[0]["text"]).hash == workloads[0]["workload"]


def test_loops_are_collected_by_the_compiler_that_takes_them(place: tuple[Path, Path]) -> None:
    store, out = place
    arguments = ("--store", store, "--out", out, "--count", 0, "--mixtures", 0, "--threads", 1)
    run("collect_functions.py", *arguments, "--loops", 1)
    run("collect_functions.py", *arguments, "--loops", 2, "--again", 1)
    workloads = read_table(out / "workloads.parquet", WORKLOADS).to_pylist()
    rows = read_table(shards(out), MEASUREMENTS).to_pylist()
    assert len({row["workload"] for row in workloads}) == 2
    assert {row["source"] for row in workloads} == {"loops"}
    assert all("memref" in row["text"] and "linalg" not in row["text"] for row in workloads)
    assert {(row["backend"], row["outcome"], row["is_default"]) for row in rows} == {
        ("tvm", "ok", True)
    }
    assert all(row["instructions"] > 0 for row in rows)
    assert Counter(Counter(row["workload"] for row in rows).values()) == {1: 1, 2: 1}


def test_mixtures_are_counted_by_themselves(place: tuple[Path, Path]) -> None:
    store, out = place
    arguments = ("--store", store, "--out", out, "--count", 0, "--loops", 0, "--threads", 1)
    run("collect_functions.py", *arguments, "--mixtures", 3)
    assert "2 measurements were added" in run("collect_functions.py", *arguments, "--mixtures", 5)
    rows = read_table(out / "workloads.parquet", WORKLOADS).to_pylist()
    assert {(row["source"], row["family"]) for row in rows} == {("mixtures", "mixture")}
    assert len(rows) == 5


def test_schedules_are_collected_and_go_on(place: tuple[Path, Path]) -> None:
    store, out = place
    arguments = ("--store", store, "--out", out, "--workloads", 1, "--threads", 1)
    run("collect_schedules.py", *arguments, "--schedules", 10)
    run("collect_schedules.py", *arguments, "--schedules", 16)
    run("collect_schedules.py", *arguments, "--schedules", 32, "--new")
    rows = read_table(shards(out), MEASUREMENTS).to_pylist()
    assert len(shards(out)) == 2
    assert 12 <= len(rows) <= 16
    schedules = [(row["backend"], json.dumps(json.loads(row["schedule"]))) for row in rows]
    assert len(set(schedules)) == len(schedules)
    assert Counter(row["is_default"] for row in rows)[True] == 2
    assert {row["backend"] for row in rows} == {"tvm", "iree"}
