"""Every command explains itself, and asking for help loads no compiler."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from costmodel.cli.main import COMMANDS
from costmodel.cli.reference import BEGIN, END, commands, insert

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS = list(commands())
HEAVY = {
    "IPython", "iree", "matplotlib", "ml_dtypes", "networkx", "numpy", "pandas", "psutil",
    "rich", "scipy", "sqlite_utils", "torch", "tvm", "xgboost",
}  # fmt: skip

#: The contract for scripts.
TUNE_OPTIONS = {
    "--trials", "--seconds", "--seed", "--store", "--out", "--target", "--backend", "--function",
    "--threads", "--json",
}  # fmt: skip


def path(context: click.Context) -> str:
    return context.command_path


def test_every_registered_command_is_there() -> None:
    assert {path(context).split()[1] for context in CONTEXTS[1:]} == set(COMMANDS)


@pytest.mark.parametrize("context", CONTEXTS, ids=path)
def test_commands_and_options_have_help(context: click.Context) -> None:
    assert context.command.help, f"{path(context)} has no help"
    for parameter in context.command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path(context)} {parameter.opts[0]} has no help"
        else:
            assert parameter.human_readable_name in context.get_help()


@pytest.mark.parametrize("context", CONTEXTS, ids=path)
def test_every_command_that_prints_a_result_takes_json(context: click.Context) -> None:
    options = {name for parameter in context.command.params for name in parameter.opts}
    assert isinstance(context.command, click.Group) or "--json" in options


def test_tune_takes_what_the_contract_names() -> None:
    (context,) = (context for context in CONTEXTS if path(context) == "costmodel tune")
    options = {name for parameter in context.command.params for name in parameter.opts}
    assert options >= TUNE_OPTIONS


@pytest.mark.parametrize("arguments", [[], *[[name] for name in sorted(COMMANDS)]], ids=str)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import json, sys
from costmodel.cli.main import main
try:
    main({[*arguments, "--help"]!r})
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: costmodel")
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert not loaded & HEAVY


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import costmodel, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {name.partition(".")[0] for name in json.loads(done.stdout)} & HEAVY


def test_the_reference_in_the_readme_is_current() -> None:
    document = (ROOT / "README.md").read_text(encoding="utf-8")
    assert insert(document) == document, "run `make docs`"


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="command reference"):
        insert(f"{BEGIN}\n")
    assert insert(f"a\n{BEGIN}\nold\n{END}\nb\n").endswith(f"\n{END}\nb\n")
