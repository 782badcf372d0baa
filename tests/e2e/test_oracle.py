"""``--oracle``: the commands ask a server, from where no model is installed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import costmodel
from costmodel.store import open_store
from tests.oracle.conftest import Server, start

NOWHERE = "127.0.0.1:1"
#: What the trained model needs, and what is needed for nothing but compiling.
MODEL = ("torch", "transformers", "tokenizers", "safetensors")
COMPILERS = ("iree", "tvm", "xgboost", "matplotlib")
BLOCKER = """\
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def hide(place, monkeypatch: pytest.MonkeyPatch, *names: str):
    """The place, where from now on no package of these names can be imported."""
    (place.path / "sitecustomize.py").write_text(BLOCKER.format(names=set(names)))
    paths = [str(place.path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return replace(place, apart=True)


@pytest.fixture
def bare(trained, monkeypatch):
    """A place whose user has the package's weights, and no library that reads them."""
    return hide(trained, monkeypatch, *MODEL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An oracle with the package's weights, which tunes."""
    found = start(tmp_path_factory.mktemp("oracle"), "--allow-tuning", weights=None)
    yield found
    found.stop()


def ids(path: Path) -> set[str]:
    with open_store(path, read_only=True) as store:
        return {one.id for one in store.measurements()}


def test_the_blocker_blocks(bare) -> None:
    found = bare.json("predict", bare.kernel)
    assert found["model"] == "roofline"
    assert "torch" in found["notes"][0] or "tokenizers" in found["notes"][0]


def test_weights_that_are_named_and_cannot_be_read_are_an_error(bare) -> None:
    weights = Path(costmodel.__file__).parent / "models" / "weights"
    done = bare.run("predict", bare.kernel, "--weights", weights, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert "is not installed" in error["message"]
    assert "--oracle" in error["hint"]


def test_tuning_on_the_server(place, server, monkeypatch) -> None:
    monkeypatch.setenv("COSTMODEL_ORACLE", server.address)
    # Another kernel than the other tests ask about: the server will know this one.
    place.kernel.write_text(place.kernel.read_text().replace("64x", "48x"))
    options = ("--trials", "2", "--backend", "tvm")
    begun = place.json("runs", "start", place.kernel, *options)
    assert begun["state"] in ("queued", "running")
    watched = place.run("runs", "watch", begun["name"], "--out", place.out)
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.startswith("dense on ")
    assert "2 measured" in watched.stdout
    assert (place.out / "kernel.so").stat().st_size > 0
    (listed,) = place.json("runs", "list", "--most", "1")["runs"]
    assert (listed["name"], listed["state"], listed["measured"]) == (begun["name"], "done", 2)
    assert begun["name"] in place.run("runs", "list").stdout
    assert place.run("runs", "cancel", begun["name"]).stdout == f"{begun['name']}: done\n"
    assert place.measurements() == 0
    refused = place.run("runs", "watch", "tunes/none", "--json")
    assert (refused.returncode, "error" in json.loads(refused.stdout)) == (2, True)


def test_who_stops_watching_is_told_that_the_run_goes_on(place, server, monkeypatch) -> None:
    monkeypatch.setenv("COSTMODEL_ORACLE", server.address)
    # Nobody measures for it, so that it is still there whenever it is looked at.
    name = place.json("runs", "start", place.kernel, "--leased", "--backend", "tvm")["name"]
    watching = place.start("runs", "watch", name, "--json")
    for line in watching.stderr:
        if line.startswith("costmodel: "):
            break
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate()
    assert watching.returncode == 130, err
    error = json.loads(out)["error"]
    assert error["kind"] == "Interrupted"
    assert f"{name} is not over, it goes on at the server" in error["message"]
    for command in ("cancel", "watch"):
        assert f"costmodel runs {command} {name}" in error["hint"]
    assert error["hint"] in err
    (run,) = (one for one in place.json("runs", "list")["runs"] if one["name"] == name)
    assert run["state"] in ("queued", "running")
    cancelled = place.call("runs", "cancel", name).stdout
    assert cancelled == f"{name} is being cancelled; `costmodel runs watch {name}` shows its end\n"


def test_runs_are_an_oracles(place) -> None:
    done = place.run("runs", "list", "--json")
    assert done.returncode == 2
    assert "COSTMODEL_ORACLE" in json.loads(done.stdout)["error"]["hint"]


def test_tuning_without_a_model_of_ones_own(bare, server) -> None:
    before = ids(server.store)
    printed = bare.json(
        "tune", bare.kernel, "--oracle", server.address, "--trials", "6", "--out", bare.out
    )
    report = json.loads((bare.out / "report.json").read_text())
    assert report["model"] == "oracle (transformer) and xgboost"
    assert not [note for note in report["notes"] if "oracle" in note]
    assert printed["measured"] == 6
    assert all(trial["predicted_us"] > 0 for trial in report["history"])
    mine = ids(bare.store)
    assert len(mine) > 6  # the final too
    assert ids(server.store) - before == mine

    # Another machine of the same kind, or the same one without its store, goes on from there.
    bare.store.unlink()
    again = bare.json(
        "tune", bare.kernel, "--oracle", server.address, "--trials", "0", "--out", bare.out
    )
    assert (again["measured"], again["cached"]) == (0, 6)
    assert again["schedule"] == printed["schedule"]
    assert ids(bare.store) == mine


def test_asking_needs_neither_a_model_nor_compilers(trained, server, monkeypatch) -> None:
    trained = hide(trained, monkeypatch, *MODEL, *COMPILERS)
    predicted = trained.json("predict", trained.kernel, "--oracle", server.address)
    assert predicted["model"] == "transformer"
    assert predicted["function"] == "dense"
    ranked = trained.json("rank", trained.kernel, "--oracle", server.address, "--n", "6")
    assert [one["rank"] for one in ranked["schedules"]] == list(range(1, 7))
    monkeypatch.setenv("COSTMODEL_ORACLE", server.address)
    assert trained.json("predict", trained.kernel) == predicted
    shown = trained.run("rank", trained.kernel, "--n", "6", "--top", "2")
    assert "6 schedules ranked by transformer" in shown.stdout


def test_errors_are_those_of_the_users_file(trained, server) -> None:
    trained.kernel.write_text(trained.kernel.read_text().replace("linalg.matmul", "linalg.mat"))
    here = trained.run("predict", trained.kernel, "--json")
    there = trained.run("predict", trained.kernel, "--json", "--oracle", server.address)
    assert (there.returncode, there.stdout, there.stderr) == (2, here.stdout, here.stderr)
    assert json.loads(there.stdout)["error"]["file"] == str(trained.kernel)


@pytest.mark.parametrize("command", ["predict", "rank", "tune"])
def test_an_oracle_that_is_not_there_is_an_error(place, command: str) -> None:
    done = place.run(command, place.kernel, "--oracle", NOWHERE, "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "UnreachableError"
    assert "127.0.0.1:1 does not answer: Connection refused" in error["message"]
    assert "costmodel serve" in error["hint"]
    assert "Traceback" not in done.stderr
    assert place.measurements() == 0


def test_with_fallback_this_machine_answers(place) -> None:
    found = place.json("predict", place.kernel, "--oracle", NOWHERE, "--fallback")
    assert "answered on this machine" in found["notes"][0]
    place.json(
        "tune", place.kernel, "--oracle", NOWHERE, "--fallback", "--trials", "1",
        "--backend", "tvm", "--out", place.out,
    )  # fmt: skip
    notes = json.loads((place.out / "report.json").read_text())["notes"]
    assert any("the oracle was left out" in note for note in notes)
    assert any("not recorded at the oracle" in note for note in notes)
    assert place.measurements() > 0


@pytest.mark.parametrize("option", ["--store", "--weights"])
def test_what_the_oracle_answers_from_is_not_ours_to_say(place, option: str) -> None:
    done = place.run("predict", place.kernel, "--oracle", NOWHERE, option, "x", "--json")
    assert done.returncode == 2
    assert option in json.loads(done.stdout)["error"]["message"]
