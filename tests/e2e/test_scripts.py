"""``costmodel`` on a file with a transform script, from its knobs to what is exported."""

from __future__ import annotations

import json
import sqlite3
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.registry import load
from costmodel.export import export_winner, rebuild
from costmodel.ir import analyze, read_text
from costmodel.measure.inputs import random_inputs
from costmodel.records import SourceLocation, TimingPolicy
from costmodel.session import Session
from costmodel.store import open_store
from costmodel.target import host_target

FUNCTION = """
  func.func @product(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>) -> tensor<64x64xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<64x64xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x64xf32>) -> tensor<64x64xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<64x64xf32>, tensor<64x64xf32>)
                       outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
    return %0 : tensor<64x64xf32>
  }
"""
#: The second way is wrong for the interpreter; the third takes its result for the compiler's.
SCRIPT = f"""module attributes {{transform.with_named_sequence}} {{{FUNCTION}
  transform.named_sequence @__transform_main(%m: !transform.any_op {{transform.readonly}}) {{
    %matmul = transform.structured.match ops{{["linalg.matmul"]}} in %m
        : (!transform.any_op) -> !transform.any_op
    transform.tune.alternatives<"way"> {{
      %rows = transform.tune.knob<"rows"> options = [16, 32] -> !transform.any_param
      %eight = transform.param.constant 8 -> !transform.any_param
      transform.annotate %matmul "distribution_0" = %rows : !transform.any_op, !transform.any_param
      transform.annotate %matmul "vector_common_parallel_0" = %eight
          : !transform.any_op, !transform.any_param
      transform.annotate %matmul "vector_common_parallel_1" = %eight
          : !transform.any_op, !transform.any_param
      transform.annotate %matmul "vector_reduction_2" = %eight
          : !transform.any_op, !transform.any_param
    }}, {{
      %a, %b = transform.split_handle %matmul
          : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    }}, {{
      %info = transform.param.constant "no compilation info" -> !transform.any_param
      transform.annotate %matmul "lowering_config" = %info : !transform.any_op, !transform.any_param
      transform.annotate %matmul "compilation_info" = %info
          : !transform.any_op, !transform.any_param
    }}
    transform.yield
  }}
}}
"""


@pytest.fixture(scope="module")
def session() -> Session:
    workload, target = read_text(SCRIPT), host_target(1, measure=False)
    place = SourceLocation("product.mlir")
    return Session(place, workload, analyze(workload), target, load("iree"), TimingPolicy())


def test_all_values_are_measured_and_failures_are_recorded(trained) -> None:
    place = replace(trained, trained=False)
    place.kernel.write_text(SCRIPT)
    options = ("--backend", "iree")
    printed = trained.json("tune", place.kernel, *options, "--trials", "9", "--out", place.out)
    assert printed["function"] == "product"
    assert printed["measured"] >= 4
    assert printed["failed"]["build_error"] >= 1
    assert printed["best_us"] <= printed["baseline_us"]
    report = json.loads((place.out / "report.json").read_text())
    assert any("every schedule" in note for note in report["notes"])
    errors = [trial["error"] for trial in report["history"] if trial["outcome"] != "ok"]
    assert any("the transform script failed" in error for error in errors)
    known = place.measurements()

    ranked = place.json("rank", place.kernel, *options, "--n", "64")
    schedules = [one["schedule"] for one in ranked["schedules"]]
    assert sorted(json.dumps(one.get("knobs", {})) for one in schedules) == sorted(
        ['{"rows": 16, "way": 0}', '{"rows": 32, "way": 0}', '{"way": 1}', '{"way": 2}', "{}"]
    )
    predicted = place.json("predict", place.kernel, *options)
    assert predicted["measured_us"] is not None
    again = place.json("tune", place.kernel, *options, "--trials", "0", "--out", place.out)
    assert again["measured"] == 0
    assert again["schedule"] == printed["schedule"]
    assert place.json("cache", "verify")["sound"]
    assert place.measurements() == known

    place.kernel.write_text(FUNCTION)
    plain = place.call("tune", place.kernel, *options, "--trials", "0", "--out", place.out)
    assert "cannot be replayed" not in plain.stderr
    place.kernel.write_text(SCRIPT.replace("[16, 32]", "[8, 16]"))
    other = place.call("tune", place.kernel, *options, "--trials", "2", "--out", place.out)
    assert other.returncode == 0, other.stderr
    assert "cannot be replayed" not in other.stderr


def test_a_knob_that_nothing_resolves_has_a_place_and_nothing_is_written(place) -> None:
    place.kernel.write_text(SCRIPT.replace("options = [16, 32]", "options = []"))
    done = place.call("tune", place.kernel, "--backend", "iree", "--out", place.out)
    assert done.returncode == 2
    assert "dense.mlir:15:15: " in done.stderr
    assert "'rows' has an empty list of options" in done.stderr
    assert not place.out.exists()
    assert not place.store.exists()


def test_a_backend_that_runs_no_scripts_says_so(place) -> None:
    place.kernel.write_text(SCRIPT)
    done = place.call("tune", place.kernel, "--backend", "tvm", "--out", place.out)
    assert done.returncode == 2
    assert "--backend iree" in done.stderr


def test_what_is_exported_has_the_decisions_and_builds_the_same(session, tmp_path: Path) -> None:
    (schedule,) = session.space.guesses()
    built = tmp_path / "built.vmfb"
    session.backend.build(session.workload, schedule, session.target, built)
    artifacts, problems = export_winner(session, schedule, built, tmp_path)
    assert problems == []
    script = Path(str(artifacts["script"])).read_text()
    assert 'transform.tune.alternatives<"way"> selected_region = 0 {' in script
    assert 'transform.tune.knob<"rows"> = 16 : i64 from options = [16, 32]' in script
    assert (
        "distribution = [16, 0, 0], vector_common_parallel = [8, 8, 0]"
        in Path(str(artifacts["ir"])).read_text()
    )
    assert json.loads(Path(str(artifacts["schedule"])).read_text())["schedule"]["knobs"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rebuild(str(artifacts["schedule"]), tmp_path / "again.vmfb")
    inputs, results = random_inputs(session.workload.inputs, 0), []
    for library in (built, tmp_path / "again.vmfb"):
        kernel = session.backend.load(library, session.workload, session.target)
        kernel.prepare(inputs, [])
        kernel.run(1)
        results += kernel.results()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], inputs[0] @ inputs[1], rtol=1e-4, atol=1e-4)


def test_a_store_from_before_scripts_reads_the_same(session, tmp_path: Path) -> None:
    """The row of a workload does not have its script, which its schedules carry."""
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        store.add_workload(session.workload)
        found = store.workload(session.workload.hash)
    assert found == session.workload
    assert found.script is None
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(workloads)")]
    connection.close()
    assert columns == ["hash", "text", "function", "inputs", "outputs", "added"]
