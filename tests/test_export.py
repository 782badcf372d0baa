"""The exported schedule file holds all that is needed to build the kernel again."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.registry import load
from costmodel.errors import InputError, UsageError
from costmodel.export import export_winner, rebuild
from costmodel.ir import analyze, read_text
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Schedule, SourceLocation, TimingPolicy
from costmodel.session import Session
from costmodel.target import host_target

TEXT = """func.func @product(%a: tensor<24x40xf32>, %b: tensor<40x33xf32>) -> tensor<24x33xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<24x33xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<24x33xf32>) -> tensor<24x33xf32>
  %c = linalg.matmul ins(%a, %b : tensor<24x40xf32>, tensor<40x33xf32>)
    outs(%init : tensor<24x33xf32>) -> tensor<24x33xf32>
  return %c : tensor<24x33xf32>
}
"""


@pytest.fixture(scope="module")
def session() -> Session:
    workload, target = read_text(TEXT), host_target(1, measure=False)
    place = SourceLocation("product.mlir")
    return Session(place, workload, analyze(workload), target, load("tvm"), TimingPolicy())


@pytest.fixture(scope="module")
def schedules(session: Session) -> dict[str, Schedule]:
    """One of each kind."""
    drawn = [session.space.default(), *session.space.sample(30, random.Random(0))]
    return {json.loads(schedule.text)["kind"]: schedule for schedule in drawn}


def export(session: Session, schedule: Schedule, folder: Path) -> tuple[Path, Path]:
    """The library and the schedule file."""
    built = folder / "built.so"
    session.backend.build(session.workload, schedule, session.target, built)
    artifacts, problems = export_winner(session, schedule, built, folder)
    assert problems == []
    return Path(str(artifacts["library"])), Path(str(artifacts["schedule"]))


def result(session: Session, library: Path) -> bytes:
    kernel = session.backend.load(library, session.workload, session.target)
    inputs = random_inputs(session.workload.inputs, 0)
    kernel.prepare(inputs, poisoned_outputs(session.workload.outputs))
    kernel.run(1)
    (output,) = kernel.results()
    np.testing.assert_allclose(output, inputs[0] @ inputs[1], rtol=1e-4, atol=1e-4)
    return output.tobytes()


@pytest.mark.parametrize("kind", ["default", "template", "trace"])
def test_a_kernel_is_rebuilt_from_its_schedule_file(
    kind: str, session: Session, schedules: dict[str, Schedule], tmp_path: Path
) -> None:
    library, file = export(session, schedules[kind], tmp_path)
    again = tmp_path / "again.so"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rebuild(file, again)
    assert result(session, again) == result(session, library)


def test_other_versions_are_said(
    session: Session, schedules: dict[str, Schedule], tmp_path: Path
) -> None:
    _, file = export(session, schedules["default"], tmp_path)
    data = json.loads(file.read_text())
    file.write_text(json.dumps(data | {"versions": {"apache-tvm": "0.1"}}))
    with pytest.warns(UserWarning, match="other versions"):
        rebuild(file, tmp_path / "again.so")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "target": {"kind": "cpu"}}']
)
def test_what_is_no_schedule_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is no schedule file"):
        rebuild(file, tmp_path / "again.so")
    with pytest.raises(UsageError, match="is no schedule file"):
        rebuild(tmp_path / "missing.json", tmp_path / "again.so")
    assert not (tmp_path / "again.so").exists()


def test_a_schedule_of_another_kernel_is_refused(
    session: Session, schedules: dict[str, Schedule], tmp_path: Path
) -> None:
    """Schedule files are shared, and what is in them reaches compilers."""
    _, file = export(session, schedules["default"], tmp_path)
    data = json.loads(file.read_text())
    settings = {"kind": "iree", "flags": {}, "roots": {}, "matched": {}, "cuts": []}
    for foreign in (
        settings | {"flags": {"o": "/somewhere"}},
        settings | {"matched": {"} } module {": {"pipeline": "Default", "distribution": [1]}}},
        {"kind": "script", "script": "module {", "function": "f", "knobs": {}},
    ):
        known = {"backend": "iree", "versions": dict(load("iree").versions())}
        file.write_text(json.dumps(data | known | {"schedule": foreign}))
        with pytest.raises(InputError):
            rebuild(file, tmp_path / "again.vmfb")
        assert not (tmp_path / "again.vmfb").exists()


def test_files_of_an_earlier_export_do_not_stay_beside_this_one(
    session: Session, schedules: dict[str, Schedule], tmp_path: Path
) -> None:
    """Another backend's library beside this schedule would be taken for the tuned one."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out, elsewhere):
        folder.mkdir()
        for name in ("kernel.vmfb", "kernel.so", "notes.txt", "search.png"):
            (folder / name).write_text("old")
    (out / "flags.txt").write_text("old")
    earlier = {
        "library": str(out / "kernel.vmfb"),
        "flags": "flags.txt",  # as the report of an oracle's run names it
        "plot": str(out / "search.png"),
        "ir": None,
    }
    foreign = {"script": str(elsewhere / "kernel.vmfb"), "schedule": "../elsewhere/notes.txt"}
    listed = {"artifacts": {"library": earlier["library"]}, "files": earlier | foreign}
    (out / "report.json").write_text(json.dumps(listed))
    export(session, schedules["default"], out)
    assert not (out / "kernel.vmfb").exists()
    assert not (out / "flags.txt").exists()
    left = {path.name for path in out.iterdir()}
    assert {"kernel.so", "notes.txt", "search.png", "report.json"} <= left
    assert len(list(elsewhere.iterdir())) == 4


@pytest.mark.parametrize("report", ["", "[]", '{"artifacts": 3}', '{"artifacts": {"a": 5}}'])
def test_a_damaged_report_of_an_earlier_run_hinders_nothing(
    session: Session, schedules: dict[str, Schedule], tmp_path: Path, report: str
) -> None:
    (tmp_path / "report.json").write_text(report)
    library, _ = export(session, schedules["default"], tmp_path)
    assert library.exists()
