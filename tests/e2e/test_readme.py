"""What README.md tells people to type works."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from costmodel.cli.main import command_group
from tests.oracle.conftest import start

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for language, block in BLOCKS if language == "sh"
    for line in block.splitlines() if line.startswith("costmodel ")
]  # fmt: skip
PYTHON = [block for language, block in BLOCKS if language == "python"]
TARGETS = [
    line.split()[1]
    for language, block in BLOCKS if language == "sh"
    for line in block.splitlines() if line.startswith("make ")
]  # fmt: skip


def parse(
    command: click.Command, arguments: list[str], parent: click.Context | None = None
) -> None:
    """Read the arguments as the command would, down to the last subcommand; run nothing."""
    with command.make_context(command.name, list(arguments), parent) as context:
        if isinstance(command, click.Group):
            name, subcommand, rest = command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
            assert subcommand is not None, name
            parse(subcommand, rest, context)


def test_the_readme_shows_every_command() -> None:
    shown = {shlex.split(command)[1] for command in COMMANDS}
    assert shown == set(command_group.list_commands(click.Context(command_group)))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_spelled_right(command: str) -> None:
    words = shlex.split(command)
    parse(command_group, words[1:])
    for word in words:
        if word.startswith("kernels/"):
            assert (ROOT / word).is_file()


def test_the_two_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert TARGETS == ["demo", "test"]
    for target in TARGETS:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def printed_by(program: str, folder: Path) -> list[str]:
    """The lines that an example prints, with fewer trials, run in another folder."""
    program = program.replace("trials=64", "trials=4")
    for top in ("kernels", "tests"):
        program = program.replace(f'"{top}/', f'"{ROOT}/{top}/')
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COSTMODEL_STORE": str(folder / "store.sqlite")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_oracle_example_runs(tmp_path: Path) -> None:
    """With a kernel that is tuned in seconds."""
    predicted, schedule, best = asked_of_a_server("Sharing", tmp_path)
    assert float(predicted) > 0
    assert ast.literal_eval(schedule)
    assert float(best.split()[0]) > 0


def test_the_recording_example_runs(tmp_path: Path) -> None:
    """What was recorded is the best that the oracle knows."""
    assert asked_of_a_server(".record(", tmp_path) == ["1 recorded", "181.0"]


def asked_of_a_server(what: str, folder: Path) -> list[str]:
    """The lines that the oracle's example with ``what`` prints, of a small kernel."""
    (program,) = [one for one in PYTHON if "costmodel.oracle" in one and what in one]
    server = start(folder, weights=None)
    program = program.replace("127.0.0.1:50151", server.address)
    program = program.replace("kernels/bert_softmax.mlir", "tests/golden/oracle_matmul.mlir")
    printed = printed_by(program, folder)
    assert server.stop() == 0
    return printed


def test_the_library_example_runs(tmp_path: Path) -> None:
    """With fewer trials, and kernels found from another directory."""
    tuned, predicted = printed_by(PYTHON[0], tmp_path)
    assert Path(tuned.split()[-1]).exists()
    low, middle, high = map(float, predicted.split())
    assert low < middle < high


def test_the_metaschedule_example_runs(tmp_path: Path) -> None:
    """On a small product, with few trials and a small population."""
    (program,) = [one for one in PYTHON if "costmodel.metaschedule" in one]
    few = "num_trials_per_iter=4, strategy=EvolutionarySearch(population_size=16, "
    few += "init_min_unmeasured=8, genetic_num_iters=1)"
    for what, by in (("512", "32"), (" 64,", " 4,"), ("num_trials_per_iter=16", few)):
        assert what in program
        program = program.replace(what, by)
    program = f"""{program}
from costmodel.store import open_store
with open_store(read_only=True) as store:
    print(*(one.outcome for one in store.measurements()))
"""
    program = program.replace(
        "import tvm\n",
        "import tvm\nfrom tvm.s_tir.meta_schedule.search_strategy import EvolutionarySearch\n", 1,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "COSTMODEL_STORE": str(tmp_path / "store.sqlite")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout.splitlines()[-1].split()
