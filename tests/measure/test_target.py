"""The target's description: against files of other machines, and on this one."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from costmodel import target as target_module
from costmodel.errors import MeasureError, UsageError
from costmodel.measure import roofline
from costmodel.measure.cores import physical_count, usable_cores
from costmodel.measure.roofline import Rates
from costmodel.records import DTYPE_BYTES
from costmodel.target import cache_sizes, host_target, llvm_cpu_name, parse_target


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "costmodel"


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_this_machine_is_measured_once(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = host_target()
    assert first.threads == physical_count(usable_cores())
    assert first.peak_flops.keys() == DTYPE_BYTES.keys()
    assert host_target(measure=False).peak_flops == first.peak_flops
    assert all(rate > 1e8 for rate in (*first.peak_flops.values(), first.bandwidth))
    path = only_file(cache)
    saved = path.read_text()

    # What is in the file is what is used, be it that nothing was measured ...
    altered = json.loads(saved)
    altered["bandwidth"] = 123.0
    path.write_text(json.dumps(altered))
    second = host_target()
    assert second.bandwidth == 123.0
    assert second.hash == first.hash

    # ... unless one asks, or the file is damaged.
    assert host_target(refresh=True).bandwidth != 123.0
    path.write_text(saved[: len(saved) // 2])
    assert host_target().bandwidth > 1e8
    assert "cannot be used" in caplog.text
    assert json.loads(path.read_text())["bandwidth"] > 1e8


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "3", '{"peak": 3, "bandwidth": 1}', '{"peak": {}, "bandwidth": 1}',
        '{"peak": {"f32": "fast"}, "bandwidth": 1}', '{"peak": {"f32": NaN}, "bandwidth": 1}',
        '{"peak": {"f32": 1}, "bandwidth": 0}', '{"peak": {"f32": 1}}', "\\x00\\xff",
    ],
)  # fmt: skip
def test_rates_that_are_none_are_not_loaded(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_text(text)
    assert target_module._load_rates(path) is None


def test_rates_survive_the_cache(tmp_path: Path) -> None:
    rates = Rates({"f32": 1.5e11}, 2e10)
    path = tmp_path / "new" / "rates.json"
    target_module._save_rates(path, rates)
    assert target_module._load_rates(path) == rates
    assert os.listdir(path.parent) == [path.name]


def test_cache_that_cannot_be_written_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        target_module._save_rates(tmp_path / "file" / "rates.json", Rates({"f32": 1.0}, 1.0))
    assert "cannot be kept" in caplog.text


def test_facts_without_measuring(cache: Path) -> None:
    target = host_target(1, measure=False)
    assert target.threads == 1
    assert target.peak_flops == {}
    assert not cache.exists()
    assert target == parse_target("cpu", threads=1, measure=False)


def test_threads_decide_the_hash_and_rates_do_not() -> None:
    target = host_target(1, measure=False)
    assert target.cpu
    assert target.vector_bytes in (16, 32, 64)
    assert replace(target, bandwidth=1e9, peak_flops={"f32": 1e9}).hash == target.hash
    assert replace(target, threads=2).hash != target.hash


@pytest.mark.parametrize("threads", [0, -1, 10_000])
def test_threads_that_the_cores_cannot_carry(threads: int) -> None:
    with pytest.raises(UsageError, match="usable cores"):
        host_target(threads, measure=False)


def test_unknown_target_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="there is: cpu"):
        parse_target("tpu")


def test_missing_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MeasureError, match="no C compiler"):
        roofline.measure_rates([0], largest_cache=0)


def test_failing_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(MeasureError, match="status 1"):
        roofline.measure_rates([0], largest_cache=0)


def test_cache_sizes_of_another_machine(tmp_path: Path) -> None:
    described = [
        ("Data", "1", "48K"), ("Instruction", "1", "32K"), ("Unified", "2", "2048K"),
        ("Unified", "3", "105M"), ("Unified", "4", "lots"),
    ]  # fmt: skip
    for number, facts in enumerate(described):
        index = tmp_path / f"index{number}"
        index.mkdir()
        for name, fact in zip(("type", "level", "size"), facts, strict=True):
            (index / name).write_text(fact + "\n")
    (tmp_path / "index9").mkdir()
    assert cache_sizes(tmp_path) == (48 << 10, 2 << 20, 105 << 20)
    assert cache_sizes(tmp_path / "absent") == ()


def test_cpuinfo_of_an_arm_machine(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(
        "processor\t: 0\nFeatures\t: fp asimd atomics sve\nCPU implementer\t: 0x41\n"
        "CPU part\t: 0xd40\n\nprocessor\t: 1\nFeatures\t: none\n"
    )
    facts = target_module._read_cpuinfo(path)
    assert facts["name"].endswith("(0x41 0xd40)")
    assert facts["features"] == "fp asimd atomics sve"
    assert target_module._read_cpuinfo(tmp_path / "absent")["features"] == ""


def test_features_are_those_of_the_instruction_set() -> None:
    matching = target_module._ISA_FEATURES.match
    assert all(matching(name) for name in ("avx512f", "sse4_2", "fma", "sme2", "sme", "asimddp"))
    assert not any(matching(name) for name in ("smep", "hypervisor", "tsc", "ibrs", "vmx"))


def test_compiler_names_this_cpu() -> None:
    assert llvm_cpu_name()
