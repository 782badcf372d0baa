"""One C compiler for linking, for peak rates and for the examination of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel import doctor
from costmodel.backends.tvm import backend
from costmodel.errors import BackendError, MeasureError
from costmodel.measure import roofline
from costmodel.toolchain import COMPILERS, find_compiler


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH, empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path


def install(folder: Path, name: str) -> str:
    """A compiler that writes down that it was called, and makes nothing."""
    program = folder / name
    program.write_text('#!/bin/sh\necho called >> "$0.calls"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("name", COMPILERS)
def test_one_is_enough_for_all_who_need_it(programs: Path, name: str) -> None:
    program = install(programs, name)
    assert find_compiler() == program
    assert roofline._compiler() == program
    assert doctor._c_compiler() == doctor.Check("C compiler", doctor.Status.OK, program)
    backend.link(str(programs / "kernel.so"), [str(programs / "kernel.o")])
    assert (programs / f"{name}.calls").read_text() == "called\n" * 2


def test_the_variable_comes_first_and_may_name_nothing(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc, mine = install(programs, "cc"), install(programs, "mycc")
    monkeypatch.setenv("CC", "mycc")
    assert find_compiler() == mine
    monkeypatch.setenv("CC", "no-such-compiler")
    assert find_compiler() == cc


@pytest.mark.usefixtures("programs")
def test_none_is_said_by_all() -> None:
    assert find_compiler() is None
    assert doctor._c_compiler().status is doctor.Status.FAILED
    with pytest.raises(BackendError, match="no C compiler"):
        backend.link("kernel.so", ["kernel.o"])
    with pytest.raises(MeasureError, match="no C compiler"):
        roofline._compiler()
