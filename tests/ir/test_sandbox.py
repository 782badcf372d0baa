"""Input that kills, stalls or starves MLIR costs a child process and nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from costmodel.errors import CostModelError, ParseError
from costmodel.ir import read_text
from costmodel.ir.sandbox import Sandbox, shared

KERNEL = """func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""
#: Types nest in angle brackets, which the scan before MLIR does not count.
DEADLY = "func.func @f(%a: " + "tuple<" * 100_000 + "\n"


@pytest.mark.parametrize(
    "text",
    [
        DEADLY,
        "func.func @f(%a: index) { %b = affine.apply affine_map<(d0) -> ("
        + "-" * 200_000
        + "d0)>(%a)\n",
    ],
)
def test_a_crash_is_a_parse_error(text):
    with pytest.raises(ParseError, match="SIGSEGV") as error:
        read_text(text, file_name="deadly.mlir")
    assert str(error.value.location) == "deadly.mlir"
    assert read_text(KERNEL).function == "f"


def test_a_child_is_kept_between_requests_and_replaced_after_a_crash():
    sandbox = Sandbox()
    try:
        assert "workload" in sandbox.ask({"text": KERNEL, "function": None})
        first = sandbox.pid
        assert "workload" in sandbox.ask({"text": KERNEL, "function": None})
        assert sandbox.pid == first
        with pytest.raises(ParseError):
            sandbox.ask({"text": DEADLY, "function": None})
        assert "workload" in sandbox.ask({"text": KERNEL, "function": None})
        assert sandbox.pid != first
    finally:
        sandbox.close()


def test_too_slow_is_a_parse_error():
    sandbox = Sandbox(timeout_s=0.0)
    try:
        with pytest.raises(ParseError, match="more than 0 s"):
            sandbox.ask({"text": KERNEL, "function": None})
        assert sandbox.pid is None
    finally:
        sandbox.close()


def test_too_large_for_memory_is_a_parse_error():
    numbers = ", ".join(["1.25"] * 1_500_000)
    text = f"func.func @f() -> tensor<1500000xf32> {{ %c = arith.constant dense<[{numbers}]>"
    text += " : tensor<1500000xf32>\nreturn %c : tensor<1500000xf32> }"
    limit = _address_space(shared()) + (24 << 20)
    sandbox = Sandbox(memory_bytes=limit)
    try:
        assert "workload" in sandbox.ask({"text": KERNEL, "function": None})
        with pytest.raises(ParseError):
            sandbox.ask({"text": text, "function": None})
        assert "workload" in sandbox.ask({"text": KERNEL, "function": None})
    finally:
        sandbox.close()


def _address_space(sandbox: Sandbox) -> int:
    """What a child that has read one kernel has mapped, in bytes."""
    sandbox.ask({"text": KERNEL, "function": None})
    with open(f"/proc/{sandbox._child.pid}/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmPeak"))
    return int(kilobytes) * 1024


def test_the_child_imports_from_where_this_process_does(tmp_path, monkeypatch):
    """Also where only ``sys.path`` says from where: a notebook, a checkout."""
    (tmp_path / "costmodel" / "ir").mkdir(parents=True)
    (tmp_path / "costmodel" / "ir" / "child.py").write_text(
        'def main(memory_bytes):\n    input()\n    print(\'{"from": "here"}\')\n'
    )
    (tmp_path / "costmodel" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    sandbox = Sandbox()
    try:
        assert sandbox.ask({"text": KERNEL, "function": None}) == {"from": "here"}
    finally:
        sandbox.close()


def test_a_failure_of_our_own_is_not_taken_for_bad_input():
    sandbox = Sandbox()
    try:
        with pytest.raises(CostModelError, match="KeyError") as error:
            sandbox.ask({"no text": KERNEL})
        assert not isinstance(error.value, ParseError)
    finally:
        sandbox.close()


def test_large_constants_pass_through():
    numbers = ", ".join(f"{n}.5" for n in range(200_000))
    text = f"""func.func @f(%a: tensor<200000xf32>) -> tensor<200000xf32> {{
      %c = arith.constant dense<[{numbers}]> : tensor<200000xf32>
      %0 = arith.mulf %a, %c : tensor<200000xf32>
      return %0 : tensor<200000xf32>
    }}"""
    workload = read_text(text)
    assert len(workload.text) > 200_000 * 8
    assert read_text(workload.text) == workload.__class__(
        workload.text, "main", workload.inputs, workload.outputs
    )


def test_threads_share_one_child():
    results: list[str] = []
    threads = [
        threading.Thread(
            target=lambda n=n: results.append(read_text(KERNEL.replace("@f", f"@f{n}")).function)
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [f"f{n}" for n in range(8)]


#: A process of its own: a fork of the tests' own would take gRPC's threads along.
FORKING = """
import os, sys
from costmodel.ir.read import read_text
from costmodel.ir.sandbox import shared

kernel = sys.argv[1]
read_text(kernel)
mine = shared()._child.pid
pid = os.fork()
if pid == 0:
    status = 1
    try:
        read_text(kernel)
        status = 0 if shared()._child.pid != mine else 2
        shared().close()
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert read_text(kernel).function == "f"
assert shared()._child.pid == mine
"""


def test_a_forked_process_has_a_child_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", FORKING, KERNEL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
